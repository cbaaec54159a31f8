"""Statistical methods of one series, fitted in milliseconds."""
