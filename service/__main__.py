"""``python -m service``: run the server, make it ready to run, or ask one that runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from service.command_line.parser import COMMANDS, add_commands
from service.command_line.stdout import leave_unprinted, print_at_once
from service.keys import DEFAULT_ROLE, ROLES, Role, append_line, key_line, new_key

if TYPE_CHECKING:
    from pydantic import ValidationError

    from service.settings import Settings


_SECRET = ("FORECAST_API_KEYS",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    asked = _parser().parse_args(arguments)
    if asked.command == "compile":
        return compile_ahead(asked.folder)
    if asked.command == "keys":
        return create_key(asked.tenant, asked.role, asked.file)
    if asked.command == "reconcile":
        return _with_settings(lambda settings: reconcile(settings, asked))
    if asked.command in COMMANDS:
        return ask_server(asked)
    return train() if asked.command == "trainer" else serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the server (the default); settings come from FORECAST_* variables")
    commands.add_parser("trainer", help="train what servers on the same Postgres database and store accept")
    compiling = commands.add_parser("compile", help="compile the kernels ahead, as an image does when it is built")
    compiling.add_argument("folder", help="where to keep them")
    reconciling = commands.add_parser(
        "reconcile",
        help="compare store and database after a restore",
        description="Compare store and database, and tell what differs; change nothing without --apply. "
        "Exit code 0: nothing differs any more, 1: something does, 2: it could not be told.",
    )
    reconciling.add_argument("--apply", action="store_true", help="put right what differs")
    reconciling.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete files that the database does not know and that are older than an hour, instead of adopting models",
    )
    reconciling.add_argument("--json", action="store_true", help="print JSON instead of a table")
    _add_keys(commands.add_parser("keys", help="make API keys"))
    add_commands(commands)
    return parser


def _add_keys(keys: argparse.ArgumentParser) -> None:
    creating = keys.add_subparsers(dest="action", required=True).add_parser(
        "create",
        help="make a key",
        description="Print a new key, once, and the line for the file of FORECAST_API_KEYS_FILE, which has only its "
        "digest; with --file the line is added there. Servers read the file when they start.",
    )
    creating.add_argument("tenant", help="whose key it is: 1 to 63 of a-z, 0-9, - and _")
    creating.add_argument("--role", choices=ROLES, default=DEFAULT_ROLE, help="what it may do (default: %(default)s)")
    creating.add_argument("--file", type=Path, help="the file to add the line to; made where it is missing")


def compile_ahead(folder: str) -> int:
    """Compile the kernels into a folder; return 2 if they cannot be stored there."""
    from service.kernel_cache import compile_kernels

    try:
        compile_kernels(folder)
    except OSError as error:
        print(f"{folder}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def create_key(tenant: str, role: Role, file: Path | None) -> int:
    """Create a key, print it, and print or store its digest; return 2 if that fails."""
    key = new_key()
    try:
        line = key_line(tenant, role, key)
        if file is not None:
            append_line(file, line)
    except ValueError as error:
        print(f"{tenant!r}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{file}: {error.strerror or error}", file=sys.stderr)
        return 2
    try:
        # The key comes first and alone on its line, for programs; it is stored nowhere else.
        print_at_once(f"{key}\n{line}" if file is None else key)
    except OSError as error:
        cure = "" if file is None else f"; take its line, the last one, out of {file}"
        print(f"the key could not be printed, and nobody knows it ({error.strerror or error}){cure}", file=sys.stderr)
        leave_unprinted()
        return 2
    return 0


def ask_server(asked: argparse.Namespace) -> int:
    """Run a command that calls a server; return 2 if a package that it needs is not installed."""
    try:
        from service.command_line.main import run
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    return run(asked)


def serve() -> int:
    """Run the server until it is stopped; return 2 if the settings are invalid."""
    # Also before uvicorn handles it, and for the first process of a container, which ignores it by default.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def run_server(settings: Settings) -> int:
        from service.app import run

        run(settings)
        return 0

    return _with_settings(run_server)


def train() -> int:
    """Run a worker until it is stopped; return 2 if the settings are invalid."""

    def run_trainer(settings: Settings) -> NoReturn:
        from service.app import train

        train(settings)

    return _with_settings(run_trainer)


def reconcile(settings: Settings, asked: argparse.Namespace) -> int:
    """Compare store and database and print the differences; return 0 if none are left, else 1."""
    from service.app import reconcile_stored

    found = reconcile_stored(settings, asked.apply, asked.delete_orphans)
    print(found.to_json() if asked.json else found.to_table())
    return int(found.open > 0)


def _with_settings(command: Callable[[Settings], int]) -> int:
    """Run a command with the environment's settings; return 2 if they are invalid or what they refer to is missing."""
    # Threads of numeric libraries compete for the cores; we run processes instead. Set before any library is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Without this, two trainings with one seed may differ on a GPU, as torch documents for nn.LSTM and cuDNN.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    from pydantic import ValidationError

    from service.settings import Settings, unknown_variables

    for name, meant in unknown_variables().items():
        print(f"{name} is no setting of this service" + f": is {meant} meant?" * bool(meant), file=sys.stderr)
    try:
        settings = Settings()
    except ValidationError as error:
        _tell_wrong(error)
        return 2
    # Subprocesses do not need the keys. Names of settings are case-insensitive.
    for name in [name for name in os.environ if name.upper() in _SECRET]:
        del os.environ[name]
    # Each kernel looks up its cache when it is imported.
    _keep_kernels(settings.kernel_cache)
    from service.app import UnusableSetting
    from service.errors import Unavailable

    try:
        return command(settings)
    except UnusableSetting as error:
        print(f"cannot start: {error}", file=sys.stderr)
    except Unavailable as error:
        print(error, file=sys.stderr)
    return 2


def _keep_kernels(folder: str | None) -> None:
    from service.kernel_cache import use_kernel_cache

    try:
        use_kernel_cache(folder)
    except OSError as error:
        told = f"FORECAST_KERNEL_CACHE: {folder} cannot keep compiled kernels ({error.strerror or error})"
        print(f"{told}: numba keeps them where it can, or compiles them at every start", file=sys.stderr)


def _tell_wrong(error: ValidationError) -> None:
    for one in error.errors(include_url=False):
        # A setting with several names is reported by ours; an error about several settings has no name.
        name = "_".join(str(part) for part in one["loc"]).upper()
        if not name:
            print(one["msg"].removeprefix("Value error, "), file=sys.stderr)
            continue
        name = f"FORECAST_{name.removeprefix('FORECAST_')}"
        # An invalid list of keys still contains keys.
        got = "" if name in _SECRET else f", got {one['input']!r}"
        print(f"{name}: {one['msg'].removeprefix('Value error, ')}{got}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
