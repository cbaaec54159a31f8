"""The worker: a process that runs training jobs in child processes."""
