"""A small plugin that the core's own tests train: an autoencoder, a method on pairs, and one of three stages."""
