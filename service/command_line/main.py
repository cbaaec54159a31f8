"""Run a command and report its errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from service.client import Client, Unreachable
from service.client.problems import pointer_of
from service.command_line import model_commands, name_commands
from service.command_line.exit_codes import DONE, INTERRUPTED, REFUSED, UNREACHABLE, USAGE
from service.command_line.output import plain
from service.command_line.stdout import leave_unprinted, use_what_can_be_shown
from service.errors import ServiceError

COMMANDS: Mapping[str, Callable[[Client, argparse.Namespace], None]] = {
    "train": model_commands.train,
    "forecast": model_commands.forecast,
    "backtest": model_commands.backtest,
    "observe": model_commands.observe,
    "monitor": model_commands.monitor,
    "retrain": model_commands.retrain,
    "models": model_commands.show_models,
    "names": name_commands.show_names,
    "promote": name_commands.promote,
    "rollback": name_commands.rollback,
    "follow": name_commands.follow,
    "jobs": model_commands.show_jobs,
    "delete": model_commands.delete,
    "download": model_commands.download,
    "upload": model_commands.upload,
}


def run(asked: argparse.Namespace) -> int:
    """Run a command; return its exit code."""
    use_what_can_be_shown()
    try:
        with Client(asked.url) as client:
            COMMANDS[asked.command](client, asked)
        sys.stdout.flush()
    except ServiceError as error:
        _report(error)
        return REFUSED
    except (Unreachable, TimeoutError) as error:
        print(plain(error), file=sys.stderr)
        return UNREACHABLE if isinstance(error, Unreachable) else REFUSED
    except KeyboardInterrupt:
        print("\ninterrupted; the server continues what it has accepted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe, such as ``head``, has closed it.
        leave_unprinted()
        return DONE
    except (OSError, ValueError) as error:
        print(plain(_reason(error)), file=sys.stderr)
        leave_unprinted()
        return USAGE
    return DONE


def _report(error: ServiceError) -> None:
    print(plain(f"{error.title}: {error.detail}"), file=sys.stderr)
    for fault in error.faults:
        line = f"{pointer_of(fault)}: {fault.detail}"
        if fault.path and error.detail not in (fault.detail, line):
            print(plain(f"  {line}"), file=sys.stderr)
    if error.request_id:
        print(plain(f"  request {error.request_id}"), file=sys.stderr)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
