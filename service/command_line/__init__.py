"""Commands that ask a server: the verbs of `service.client`, as ``python -m service train sales.csv``."""
