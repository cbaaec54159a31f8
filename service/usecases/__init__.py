"""The verbs of the service, as plain functions."""
