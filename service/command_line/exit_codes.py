"""What a command's exit code says."""

DONE = 0
REFUSED = 1
"""The server, or a look at the data before it, says what is wrong; or it took longer than was to be waited for."""
USAGE = 2
"""The command is wrong, or a file cannot be read or written."""
UNREACHABLE = 3
INTERRUPTED = 130

MEANING = (
    "Exit code 0: done, 1: the server refuses, or took too long, 2: the command is wrong or a file is not there, "
    "3: the server cannot be reached. Problems are told on stderr."
)
