"""Turn the bytes of a request into series and options."""
