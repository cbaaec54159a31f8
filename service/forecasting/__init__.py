"""From a series to a forecast: numpy and numba, no files, no HTTP, no clock."""
