"""From the bytes of a request to series and options."""
