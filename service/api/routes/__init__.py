"""The routes, one module for each group of the API's document."""
