"""A part of each kind, that keeps every claim of the kit."""
