"""Benchmarks that print both sides of a ratio; the service does not depend on them."""
