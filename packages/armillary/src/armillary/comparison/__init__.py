"""Comparison of recipes, and the demo: many trainings in child processes."""
