"""Layers and transforms of signals that are worth importing alone."""
