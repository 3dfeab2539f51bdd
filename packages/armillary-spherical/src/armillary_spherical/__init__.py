"""Spherical embeddings: pictures and shapes in one space that turns with the object.

Esteves, Sud, Luo, Daniilidis, Makadia 2019, arXiv:1812.02716, on the spherical CNN of Esteves, Allen-Blanchette, Makadia,
Daniilidis 2018, arXiv:1711.06721.
"""
