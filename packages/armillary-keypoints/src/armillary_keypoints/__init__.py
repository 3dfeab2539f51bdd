"""Key points without labels, the graph that links them, and a 3D shape space.

Wang, Cao, Bernard, 3DV 2024; on top of AutoLink, He, Wandt, Rhodin, NeurIPS 2022, arXiv:2205.10636.
"""
