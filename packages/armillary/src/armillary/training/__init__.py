"""Training of a recipe: modules, batches, the loop, optimisers, checkpoints and the run's folder."""
