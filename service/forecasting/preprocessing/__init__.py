"""What happens to values before a model sees them: gaps, transforms, scaling, splits."""
