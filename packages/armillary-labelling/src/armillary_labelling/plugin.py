"""What this package adds. Imports no torch: ``armillary plugins list`` must stay instant."""
