"""What a model observes after its training."""
