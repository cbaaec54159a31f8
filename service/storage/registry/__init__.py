"""The database of models, jobs and leases, in SQLite or Postgres."""
