"""``python -m service``: run the server, or make it ready to run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the server (the default); settings come from FORECAST_* variables")
    compiling = commands.add_parser("compile", help="compile the kernels ahead, as an image does when it is built")
    compiling.add_argument("folder", help="where to keep them")
    asked = parser.parse_args(arguments)
    if asked.command == "compile":
        from service.kernel_cache import compile_kernels

        compile_kernels(asked.folder)
        return 0
    return serve()


def serve() -> int:
    """Run the server until it is told to stop; 2 where the settings are wrong."""
    # Also before uvicorn listens to it, and where this is a container's first process, which ignores it by default.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Threads of a numeric library fight over the cores; we run processes instead. Before anything imports one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Without this, two trainings of one seed may differ on a GPU: what torch's nn.LSTM says of cuDNN.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    from pydantic import ValidationError

    from service.app import UnusableSetting, run
    from service.kernel_cache import use_kernel_cache
    from service.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        _tell_wrong(error)
        return 2
    use_kernel_cache(settings.kernel_cache)
    try:
        run(settings)
    except UnusableSetting as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 2
    return 0


def _tell_wrong(error: ValidationError) -> None:
    for one in error.errors(include_url=False):
        # One that has several names is told by ours; what is wrong with some together has none.
        name = "_".join(str(part) for part in one["loc"]).upper()
        if not name:
            print(one["msg"].removeprefix("Value error, "), file=sys.stderr)
            continue
        name = f"FORECAST_{name.removeprefix('FORECAST_')}"
        print(f"{name}: {one['msg']}, got {one['input']!r}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
