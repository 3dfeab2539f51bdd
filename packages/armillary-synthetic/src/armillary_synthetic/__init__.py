"""Generators: procedural pictures with full ground truth, for methods that learn geometry without labels."""
