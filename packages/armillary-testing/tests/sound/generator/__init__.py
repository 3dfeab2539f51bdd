"""A generator of one colour, that keeps every claim of the kit."""
