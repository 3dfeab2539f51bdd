"""Use of a trained run: restore, predict, evaluate, relate, export."""
