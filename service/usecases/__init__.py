"""What the service does, as plain functions, whoever asks."""
