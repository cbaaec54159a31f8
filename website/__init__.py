"""What makes a site of docs/: hooks of mkdocs for the reference, for pages from elsewhere, and for what it loads."""
