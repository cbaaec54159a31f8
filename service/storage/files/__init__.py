"""Files that never change, in a folder or an S3 bucket."""
