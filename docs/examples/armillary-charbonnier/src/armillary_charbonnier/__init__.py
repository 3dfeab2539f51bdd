"""The Charbonnier penalty as a loss for Armillary."""
