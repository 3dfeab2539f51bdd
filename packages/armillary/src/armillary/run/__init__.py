"""Runs: build, train, evaluate, predict, checkpoint. The only training loop, and the only writer of run folders."""
