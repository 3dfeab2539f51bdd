"""Experiment trackers: plugins that observe runs and write what trackers read."""
