"""Preprocessing of values: gaps, transforms, scaling, splits."""
