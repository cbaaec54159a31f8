"""How good a model's forecasts were since its training, and whether its series has changed."""
