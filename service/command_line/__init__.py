"""The commands that send requests to a server, such as ``python -m service train sales.csv``."""
