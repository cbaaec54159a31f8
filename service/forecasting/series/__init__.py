"""Series and their time index, and the parsing and formatting of times."""
