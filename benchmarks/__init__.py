"""Measurements that print both sides of a ratio; nothing in the service needs them."""
