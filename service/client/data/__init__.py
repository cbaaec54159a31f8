"""Data as users hold them, read for a request: frames, arrays, lists and files."""
