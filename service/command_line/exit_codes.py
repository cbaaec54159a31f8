"""The exit codes of commands."""

DONE = 0
REFUSED = 1
"""The server, or a check of the data before it is sent, reports an error; or the timeout has passed."""
USAGE = 2
"""The command is wrong, or a file cannot be read or written."""
UNREACHABLE = 3
INTERRUPTED = 130

MEANING = (
    "Exit code 0: success, 1: error or timeout, 2: invalid command or file, 3: the server cannot be reached. "
    "Errors are printed on stderr."
)
