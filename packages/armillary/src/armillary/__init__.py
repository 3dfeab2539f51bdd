"""armillary."""
