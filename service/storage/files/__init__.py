"""File storage, in a folder or an S3 bucket."""
