"""Dense equivariant labelling: unsupervised learning of object frames by dense equivariant image labelling.

Thewlis, Bilen, Vedaldi, NIPS 2017, arXiv:1706.02932.
"""
