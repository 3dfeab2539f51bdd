"""Photo-geometric autoencoding to learn 3D objects from unlabelled images.

Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568.
"""
