"""Rolling origins, metrics, and the weights of a blend."""
