"""``python -m service``: run a server or a worker, prepare one, or send requests to a running server."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from service.command_line.parser import add_commands
from service.command_line.stdout import leave_unprinted, print_at_once
from service.keys import DEFAULT_ROLE, ROLES, Role, append_line, key_line, new_key

if TYPE_CHECKING:
    from pydantic import ValidationError

    from service.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    asked = _parser().parse_args(arguments)
    match asked.command:
        case "compile":
            return compile_ahead(asked.folder, asked.levels)
        case "keys":
            return create_key(asked.tenant, asked.role, asked.file)
        case "prior":
            return train_prior(asked.file, asked.steps, asked.seed)
        case "reconcile":
            return _with_settings(lambda settings: reconcile(settings, asked))
        case "reproduce":
            return _with_settings(lambda settings: reproduce(settings, asked.model))
        case "trainer":
            return _with_settings(train)
        case "serve" | None:
            # Also before uvicorn handles it, and for the first process of a container, which ignores it by default.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            return _with_settings(serve)
    return ask_server(asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the server (the default); settings come from FORECAST_* variables")
    commands.add_parser(
        "trainer", help="run a worker, which trains what servers on the same Postgres database and store accept"
    )
    compiling = commands.add_parser("compile", help="compile the kernels in advance, as an image does when it is built")
    compiling.add_argument("folder", help="folder for the compiled kernels")
    compiling.add_argument(
        "--levels",
        action="store_true",
        help="compile them for every processor of this architecture, in a folder for each level of features "
        "(x86-64-v2, ...), instead of for this processor",
    )
    reconciling = commands.add_parser(
        "reconcile",
        help="compare store and database after a restore",
        description="Compare store and database, and list the differences; change nothing without --apply. "
        "Exit code 0: no differences are left, 1: some are, 2: they could not be compared.",
    )
    reconciling.add_argument("--apply", action="store_true", help="repair the differences")
    reconciling.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete files that the database does not know and that are older than an hour, instead of adopting models",
    )
    reconciling.add_argument("--json", action="store_true", help="print JSON instead of a table")
    reproducing = commands.add_parser(
        "reproduce",
        help="train a stored model again and compare its numbers",
        description="Train a stored model again from its training data, with the settings of the service, and compare "
        "the numbers of both. Exit code 0: they are the same, 1: they differ, 2: they could not be compared, "
        "3: the training data is not kept any more.",
    )
    reproducing.add_argument("model", help="ID of the model")
    _add_prior(commands.add_parser("prior", help="train the prior, which forecasts series it has never seen"))
    _add_keys(commands.add_parser("keys", help="create API keys"))
    add_commands(commands)
    return parser


def _add_prior(prior: argparse.ArgumentParser) -> None:
    training = prior.add_subparsers(dest="action", required=True).add_parser(
        "train",
        help="train it on synthetic series",
        description="Train the prior on synthetic series and write its weights and card to a file. The same steps and "
        "seed give the same weights on one machine; the package's own are from the defaults.",
    )
    training.add_argument("file", type=Path, help="file of safetensors to write")
    training.add_argument("--steps", type=int, default=20_000, help="batches of 64 series (default: %(default)s)")
    training.add_argument("--seed", type=int, default=0, help="seed of weights and series (default: %(default)s)")


def _add_keys(keys: argparse.ArgumentParser) -> None:
    creating = keys.add_subparsers(dest="action", required=True).add_parser(
        "create",
        help="create a key",
        description="Print a new key, once, and the line for the file in FORECAST_API_KEYS_FILE, which has only its "
        "digest; with --file the line is added to that file. Servers read the file when they start.",
    )
    creating.add_argument("tenant", help="owner of the key: 1 to 63 of a-z, 0-9, - and _")
    creating.add_argument("--role", choices=ROLES, default=DEFAULT_ROLE, help="its permissions (default: %(default)s)")
    creating.add_argument("--file", type=Path, help="file to add the line to; created if it does not exist")


def compile_ahead(folder: str, levels: bool) -> int:
    """Compile the kernels into a folder; return 2 if they cannot be stored there.

    levels: for each CPU level, into folders in it; False: for this processor.
    """
    from service.errors import Unavailable
    from service.kernel_cache import use_kernel_cache, warm_training_once
    from service.shipped_kernels import compile_levels

    try:
        if levels:
            compile_levels(Path(folder))
        else:
            use_kernel_cache(folder)
            warm_training_once()
    except OSError as error:
        return _failed(f"{folder}: {error.strerror or error}")
    except Unavailable as error:
        return _failed(error)
    return 0


def train_prior(file: Path, steps: int, seed: int) -> int:
    """Train the prior, print the mean loss of each thousand batches, and write it; return 2 if that fails."""
    from service.forecasting.prior.training import write_prior
    from service.kernel_cache import forget_stale_kernels, use_kernel_cache

    every, losses = 1000, list[float]()

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step % every == 0 or step == steps:
            print(f"{step} of {steps} batches, loss {sum(losses) / len(losses):.4f}", flush=True)
            losses.clear()

    if steps < 1 or seed < 0:
        return _failed("steps must be 1 or more, and the seed 0 or more")
    if not file.parent.is_dir():
        return _failed(f"{file.parent} is no folder")
    use_kernel_cache(None)
    forget_stale_kernels()
    try:
        write_prior(file, steps, seed, report)
    except OSError as error:
        return _failed(f"{file}: {error.strerror or error}")
    return 0


def create_key(tenant: str, role: Role, file: Path | None) -> int:
    """Create a key, print it, and print or store its digest; return 2 if that fails."""
    key = new_key()
    try:
        line = key_line(tenant, role, key)
        if file is not None:
            append_line(file, line)
    except ValueError as error:
        return _failed(f"{tenant!r}: {error}")
    except OSError as error:
        return _failed(f"{file}: {error.strerror or error}")
    try:
        # The key comes first and alone on its line, for programs; it is stored nowhere else.
        print_at_once(f"{key}\n{line}" if file is None else key)
    except OSError as error:
        leave_unprinted()
        cure = "" if file is None else f"; remove its line, the last one, from {file}"
        return _failed(f"the key could not be printed and is lost ({error.strerror or error}){cure}")
    return 0


def ask_server(asked: argparse.Namespace) -> int:
    """Run a command that calls a server; return 2 if a package that it needs is not installed."""
    try:
        from service.command_line.main import run
    except ModuleNotFoundError as error:
        return _failed(error)
    return run(asked)


def serve(settings: Settings) -> int:
    """Run the server until it is stopped. Raises UnusableSetting."""
    settings.check_memory()
    from service.app import run

    run(settings)
    return 0


def train(settings: Settings) -> NoReturn:
    """Run a worker until it is stopped."""
    from service.worker_app import train

    train(settings)


def reconcile(settings: Settings, asked: argparse.Namespace) -> int:
    """Compare store and database and print the differences; return 0 if none are left, else 1."""
    from service.app import reconcile_stored

    found = reconcile_stored(settings, asked.apply, asked.delete_orphans)
    print(found.to_json() if asked.json else found.to_table())
    return int(found.open > 0)


def reproduce(settings: Settings, model_id: str) -> int:
    """Train a model again and print how it differs; return 0 if it does not, 1 if it does, 3 without its data."""
    from service.errors import ServiceError
    from service.worker.reproduction import DataNotKept
    from service.worker_app import reproduce_stored

    try:
        found = reproduce_stored(settings, model_id)
    except DataNotKept as error:
        print(error, file=sys.stderr)
        return 3
    except ServiceError as error:
        return _failed(error.detail)
    print(found.to_text())
    return int(not found.is_equal)


def _with_settings(command: Callable[[Settings], int]) -> int:
    """Run a command with the environment's settings; return 2 if they are invalid or what they refer to is missing."""
    # Threads of numeric libraries compete for the cores; we run processes instead. Set before any library is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Without this, two trainings with one seed may differ on a GPU, as torch documents for nn.LSTM and cuDNN.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    try:
        from pydantic import ValidationError

        from service.settings import Settings, UnusableSetting, unknown_variables
    except ModuleNotFoundError as error:
        return _failed(f"{error}: install the service with make serve or pip install .")

    for name, meant in unknown_variables().items():
        print(f"{name} is not a setting of this service" + f": did you mean {meant}?" * bool(meant), file=sys.stderr)
    try:
        settings = Settings()
    except ValidationError as error:
        return _failed("\n".join(_invalid_settings(error)))
    # Subprocesses do not need the keys. Names of settings are case-insensitive.
    for name in [name for name in os.environ if name.upper() == "FORECAST_API_KEYS"]:
        del os.environ[name]
    # Before a kernel is imported, which looks up its cache then.
    from service.errors import Unavailable
    from service.kernel_cache import use_kernel_cache

    folder = settings.kernel_cache
    try:
        use_kernel_cache(folder)
    except OSError as error:
        problem = f"FORECAST_KERNEL_CACHE: {folder} cannot keep compiled kernels ({error.strerror or error})"
        print(f"{problem}: they are kept in another folder", file=sys.stderr)
    except Unavailable as error:
        return _failed(error)
    try:
        return command(settings)
    except UnusableSetting as error:
        return _failed(f"cannot start: {error}")
    except Unavailable as error:
        return _failed(error)


def _failed(message: object) -> int:
    print(message, file=sys.stderr)
    return 2


def _invalid_settings(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        message = one["msg"].removeprefix("Value error, ")
        # A setting with several names is reported by ours; an error about several settings has no name.
        name = "_".join(str(part) for part in one["loc"]).upper().removeprefix("FORECAST_")
        if name:
            # An invalid list of keys still contains keys.
            got = "" if name == "API_KEYS" else f", got {one['input']!r}"
            message = f"FORECAST_{name}: {message}{got}"
        yield message


if __name__ == "__main__":
    sys.exit(main())
