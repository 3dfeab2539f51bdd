"""Data folders: reading, writing, checking, conversion."""
