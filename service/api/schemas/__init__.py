"""Pydantic models of requests and answers."""
