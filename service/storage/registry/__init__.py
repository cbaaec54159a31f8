"""The database of names, status, jobs and leases, in SQLite or Postgres."""
