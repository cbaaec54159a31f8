"""What keeps models good: what was found by monitoring them, when they are retrained, and who is told."""
