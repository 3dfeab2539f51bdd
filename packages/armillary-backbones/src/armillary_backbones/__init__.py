"""Trunks that begin with weights of ImageNet, as encoders."""
