"""A series, its time index, and how times are read and written."""
