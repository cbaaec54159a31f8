"""``python -m service`` without its imports: each command runs in a process forked from one that has imported all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_PARENT = """
import json, os, sys
import service.app, service.worker_app
from service.__main__ import main

for line in sys.stdin:
    arguments, environment, output = json.loads(line)
    if (child := os.fork()) == 0:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.environ.clear()
        os.environ.update(environment)
        sys.exit(main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class PreparedCommands:
    """Runs commands of the service, one at a time."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self._process = process
        self._output = output

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it wrote to stdout and stderr."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = (list(arguments), dict(environment), str(self._output))
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), self._output.read_text()


@contextmanager
def prepared_commands(folder: Path) -> Iterator[PreparedCommands]:
    """Import the service in a process that ends with the block; the output of commands is written to the folder."""
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield PreparedCommands(process, folder / "output")
