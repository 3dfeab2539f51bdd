"""An encoder and a loss that keep every claim of the kit."""
