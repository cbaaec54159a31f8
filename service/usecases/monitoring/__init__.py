"""Use cases about what models observe after their training: how good forecasts were, and what follows from it."""
