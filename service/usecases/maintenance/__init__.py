"""What keeps models good after their training."""
