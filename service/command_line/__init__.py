"""The commands that ask a server, such as ``python -m service train sales.csv``."""
