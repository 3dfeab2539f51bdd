"""armillary-worlds."""
