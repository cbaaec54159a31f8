"""The exit codes of commands."""

DONE = 0
REFUSED = 1
"""The server, or a check of the data before it is sent, reports an error; or the timeout has passed."""
USAGE = 2
"""The command is wrong, or a file cannot be read or written."""
UNREACHABLE = 3
INTERRUPTED = 130

MEANING = (
    "Exit code 0: done, 1: the server refuses, or took too long, 2: the command is wrong or a file is not there, "
    "3: the server cannot be reached. Problems are told on stderr."
)
