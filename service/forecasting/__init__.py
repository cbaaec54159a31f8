"""How a forecast is made: numpy and torch; no files, no web, no clock."""
