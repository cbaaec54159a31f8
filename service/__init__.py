"""Forecast service: send a series, get a trained model, ask it for forecasts."""

__version__ = "0.1.0"
