"""A generator, a method with its parts, and recipes, that keep every claim of the kit."""
