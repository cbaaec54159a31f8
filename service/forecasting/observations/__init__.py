"""What a model observes after its training: the series that it keeps, and changes of it."""
