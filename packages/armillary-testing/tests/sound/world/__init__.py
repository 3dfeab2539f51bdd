"""A world of one colour, that keeps every claim of the kit."""
