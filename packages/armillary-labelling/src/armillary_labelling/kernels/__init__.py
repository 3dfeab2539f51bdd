"""Kernels of this method alone."""
