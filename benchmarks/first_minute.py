"""The first start on a machine: what compiling the kernels costs, and when a server answers. Times are CPU times.

Run ``python -m benchmarks.first_minute``. Instead of compiling in this process, ``--server`` starts a server with an
empty cache, ``--clone`` clones and installs the repository before, and ``--container`` runs an image: each prints
the seconds (wall time) until the first training and forecast are answered.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.first_forecast import from_clone, from_image, from_server
from service.kernel_cache import rare_garbage_collections, use_kernel_cache

_IMAGE = "forecast-service"
_SLOWEST = 10
_LLVM = "LLVM"


class _Clock:
    """CPU seconds of each function by phase; those of what a phase calls are not in it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.signatures: Counter[str] = Counter()
        self._open: list[tuple[str, str]] = []
        self._since = 0.0

    def start(self, phase: str, function: str | None = None) -> None:
        """Begin a phase of a function, by default of the one that is being compiled."""
        self._count()
        self._open.append((function or (self._open[-1][0] if self._open else "numba"), phase))

    def stop(self) -> None:
        """End the phase that began last."""
        self._count()
        self._open.pop()

    def _count(self) -> None:
        now = time.process_time()
        if self._open:
            function, phase = self._open[-1]
            self.seconds[function][phase] += now - self._since
        self._since = now


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_minute", description=__doc__)
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--server", action="store_true", help="start a server")
    modes.add_argument("--clone", action="store_true", help="clone the repository, install it, and start a server")
    modes.add_argument(
        "--container",
        nargs="?",
        const=_IMAGE,
        metavar="IMAGE",
        help="run an image with podman or docker, by default %(const)s",
    )
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="forecast-first-") as name:
        folder = Path(name)
        try:
            if arguments.server:
                from_server(folder)
            elif arguments.clone:
                from_clone(folder)
            elif arguments.container:
                from_image(arguments.container)
            else:
                use_kernel_cache(name)
                with rare_garbage_collections():
                    _compile()
        except RuntimeError as error:
            parser.exit(1, f"{error}\n")
    return 0


def _compile() -> None:
    from service.forecasting.kernel_warm_up import WARM_UPS

    clock = _listening_clock()
    print("group       CPU s   signatures")
    total = 0.0
    for group, warm_up in WARM_UPS.items():
        before, started = clock.signatures.total(), time.process_time()
        warm_up()
        seconds = time.process_time() - started
        total += seconds
        print(f"{group:<10} {seconds:>6.1f} {clock.signatures.total() - before:>12}")
    print(f"{'all':<10} {total:>6.1f} {clock.signatures.total():>12}\n")
    print(f"{'the slowest':<46} signatures   CPU s  typing    LLVM")
    slowest = sorted(clock.seconds.items(), key=lambda row: -sum(row[1].values()))[:_SLOWEST]
    for function, phases in slowest:
        seconds = sum(phases.values())
        shares = [f"{phases[phase] / seconds:>7.0%}" for phase in ("nopython_type_inference", _LLVM)]
        print(f"{function:<46} {clock.signatures[function]:>10} {seconds:>7.2f} {' '.join(shares)}")


def _listening_clock() -> _Clock:
    """Return a clock that numba starts and stops from now on."""
    from numba.core import event
    from numba.core.codegen import CPUCodeLibrary

    clock = _Clock()

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            if "dispatcher" in event.data:
                function = event.data["dispatcher"].py_func
                name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
                clock.signatures[name] += 1
                clock.start("", name)
            else:
                clock.start(event.data["name"].partition(" ")[0])

        def on_end(self, event: Any) -> None:  # noqa: ARG002
            clock.stop()

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            clock.start(_LLVM)
            try:
                return method(*arguments)
            finally:
                clock.stop()

        return call

    for kind in ("numba:compile", "numba:run_pass"):
        event.register(kind, Listener())  # type: ignore[no-untyped-call]
    for name in ("add_ir_module", "finalize"):
        setattr(CPUCodeLibrary, name, timed(getattr(CPUCodeLibrary, name)))
    return clock


if __name__ == "__main__":
    sys.exit(main())
