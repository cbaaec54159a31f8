"""Statistical methods for a single series, fitted in milliseconds."""
