"""The queues of training jobs, on DBOS, and the workers that take from them."""
