"""Turn results and errors into JSON, and document them."""
