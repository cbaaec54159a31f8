"""Show how far a training is: a bar on a terminal or in a notebook, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Tell = Callable[[dict[str, Any]], None]
"""Is told a job's record with each change."""

_STAGES = {
    "columns": "trying columns known ahead",
    "candidates": "fitting simple methods",
    "select": "training networks",
    "weigh": "weighing candidates",
    "score": "scoring",
    "refit": "fitting on everything",
}


def is_shown(asked: bool | None) -> bool:
    """Tell whether to show progress; None is yes where stderr is a terminal, or in a notebook."""
    if asked is not None:
        return asked
    from rich.console import Console

    console = Console(stderr=True)
    # Not is_terminal, which FORCE_COLOR makes true for a file.
    return console.is_jupyter or console.file.isatty()


@contextmanager
def progress_bar(asked: bool | None, name: str) -> Iterator[Tell]:
    """Yield what shows a job's progress as a bar on stderr, which stays as it was left."""
    if not is_shown(asked):
        yield _tell_nobody
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[stage]}", markup=False), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=1.0, stage="sent")

        def tell(job: dict[str, Any]) -> None:
            progress = job.get("progress") or {}
            done = 1.0 if job["status"] == "succeeded" else progress.get("fraction") or 0.0
            bar.update(task, completed=done, stage=stage_of(job))

        yield tell


def stage_of(job: dict[str, Any]) -> str:
    """Say in a few words what a job does."""
    progress = job.get("progress") or {}
    if job["status"] != "running" or not progress.get("stage"):
        return str(job["status"])
    stage = _STAGES.get(progress["stage"], str(progress["stage"]))
    if progress.get("epoch"):
        stage += f", epoch {progress['epoch']}"
    if progress.get("eta_seconds"):
        stage += f", {progress['eta_seconds']:.0f} s left"
    return stage


def _tell_nobody(_: dict[str, Any]) -> None:
    """Show nothing."""
