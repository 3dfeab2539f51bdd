"""Kernels that this method alone uses."""
