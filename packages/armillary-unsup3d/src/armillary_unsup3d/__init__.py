"""Unsup3D: unsupervised learning of probably symmetric deformable 3D objects from images in the wild.

Wu, Rupprecht, Vedaldi, CVPR 2020, arXiv:1911.11130.
"""
