"""Simple forecasting methods of one series, fitted in milliseconds: what networks are compared and blended with."""
