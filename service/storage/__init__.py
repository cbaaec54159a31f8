"""What is kept: one file a model in the store, names and jobs in the database."""
