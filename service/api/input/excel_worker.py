"""``python -m service.api.input.excel_worker MEMORY UNPACKED CELLS``: read a workbook from stdin, write it as CSV.

This is a separate process because a workbook cannot be trusted: memory and CPU time are limited. A refusal is written
to stderr as JSON.
"""

from __future__ import annotations

import json
import resource
import sys

from service.errors import ServiceError
from service.tables.excel import csv_of_excel

CPU_SECONDS = 60
REFUSED = 3
"""Exit status after a refusal."""


def main() -> int:
    """Read and write."""
    memory, unpacked, cells = (int(one) for one in sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        sys.stdout.buffer.write(csv_of_excel(sys.stdin.buffer.read(), unpacked, cells))
    except ServiceError as error:
        sys.stderr.write(json.dumps(error.to_record()))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
