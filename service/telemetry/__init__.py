"""Log records, metrics and traces."""
