"""Recipes: layers, patches, the static check and the plan. Light."""
