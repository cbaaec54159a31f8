"""``python -m service``: run the server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the server (the default); settings come from FORECAST_* variables")
    parser.parse_args(arguments)
    return serve()


def serve() -> int:
    """Run the server until it is told to stop; 2 where the settings are wrong."""
    # Threads of a numeric library fight over the cores; we run processes instead. Before anything imports one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import uvicorn
    from pydantic import ValidationError

    from service.app import create_app, preflight
    from service.errors import ServiceError
    from service.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        for one in error.errors(include_url=False):
            name = "_".join(str(part) for part in one["loc"]).upper()
            print(f"FORECAST_{name}: {one['msg']}, got {one['input']!r}", file=sys.stderr)
        return 2
    if settings.kernel_cache is not None:
        os.environ["NUMBA_CACHE_DIR"] = settings.kernel_cache
    try:
        preflight(settings)
    except (ValueError, ServiceError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 2
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_level=settings.log_level)
    return 0


if __name__ == "__main__":
    sys.exit(main())
