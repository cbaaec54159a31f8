"""How a forecast is made: numpy and numba; no files, no web, no clock."""
