"""Arrays to pictures, sheets and charts: no run, no file of a run."""
