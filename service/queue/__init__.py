"""The queues of training jobs, on DBOS, and the workers that consume them."""
