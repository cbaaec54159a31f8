"""A trained model: from history to forecast."""
