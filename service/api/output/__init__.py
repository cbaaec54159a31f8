"""From results and errors to JSON, and the documents that describe them."""
