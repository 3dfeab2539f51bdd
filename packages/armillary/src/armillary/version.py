"""The version of the core. Light."""

__version__ = "0.1.0"
