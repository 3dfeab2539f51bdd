"""Pages and films of a run."""
