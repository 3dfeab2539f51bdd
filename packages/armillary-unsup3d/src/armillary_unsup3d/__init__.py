"""armillary-unsup3d."""
