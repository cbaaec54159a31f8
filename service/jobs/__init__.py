"""The training queue and the child processes that work it off."""
