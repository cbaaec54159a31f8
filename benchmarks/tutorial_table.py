"""Format the results of the tutorial benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.tutorial_scores import LARGEST_RATIO, Outcome, RolloutScore, Run, median_rmse, median_seconds

COLUMNS = (
    ("", "row", 3),
    ("", "tutorial", 16),
    ("RMSE", "reported", 8),
    ("RMSE", "reference", 9),
    ("RMSE", "service", 9),
    ("", "ratio", 6),
    ("RMSE", "no option", 9),
    ("RMSE", "yesterday", 9),
    ("seconds", "reference", 9),
    ("seconds", "service", 9),
    ("seconds", "no option", 9),
    ("", "", 4),
)
# Below this fraction, values outside the training range are noise.
NOTABLE_SHARE = 0.05


def heading(seeds: int, quick: bool) -> str:
    """Two lines of column names, below a description of the numbers."""
    what = "quick run, not to be judged by" if quick else f"medians over {seeds} seeds"
    upper = "  ".join(f"{group:>{width}}" for group, _, width in COLUMNS)
    lower = "  ".join(f"{name:>{width}}" for _, name, width in COLUMNS)
    return f"RMSE one step ahead on the test part, {what}\n{upper.rstrip()}\n{lower.rstrip()}"


def line(outcome: Outcome) -> str:
    """Return one line of the table."""
    cells = (
        str(outcome.row),
        outcome.name,
        digits(outcome.reported),
        digits(median_rmse(outcome.reference)),
        digits(median_rmse(outcome.service)),
        "-" if outcome.ratio is None else f"{outcome.ratio:.3f}",
        digits(median_rmse(outcome.own_choice)),
        digits(outcome.naive_rmse),
        seconds(outcome.reference),
        seconds(outcome.service),
        seconds(outcome.own_choice),
        outcome.verdict,
    )
    return "  ".join(f"{cell:>{width}}" for cell, (_, _, width) in zip(cells, COLUMNS, strict=True))


def notes(outcomes: Sequence[Outcome]) -> str:
    """Describe what does not fit into columns: spread, training error, rollouts, skill, warnings, refusals."""
    paragraphs = []
    for outcome in outcomes:
        told = "".join(f"\n   {note}" for note in notes_on(outcome))
        paragraphs.append(f"\n{outcome.row}  {outcome.name}{told}")
    return "".join(paragraphs)


def notes_on(outcome: Outcome) -> Iterator[str]:
    """Yield the notes on one line."""
    if outcome.share_outside >= NOTABLE_SHARE:
        yield f"{outcome.share_outside:.0%} of the test part lies outside the range of the training part"
    sides = {"reference": outcome.reference, "service": outcome.service, "no option": outcome.own_choice}
    for side, runs in sides.items():
        if runs:
            yield f"{side:>9}: " + "; ".join(facts(runs))
    for side in ("service", "no option"):
        for warning in dict.fromkeys(warning for run in sides[side] for warning in run.warnings):
            yield f"{side:>9}: warning: {warning}"
    yield from (f"FAILED {failure}" for failure in outcome.failures)


def facts(runs: Sequence[Run]) -> Iterator[str]:
    """Yield what the runs of one side show in addition to their median RMSE."""
    yield f"RMSE {spread([run.rmse for run in runs])}"
    train = [run.train_rmse for run in runs if run.train_rmse is not None]
    if train:
        yield f"training part {spread(train)}"
    rollouts = [run.rollout for run in runs if run.rollout is not None]
    if rollouts:
        yield from rollout_facts(rollouts)
    skills = [run.skill for run in runs if run.skill is not None]
    if skills:
        yield f"skill {median(skills):.3f}"


def rollout_facts(rollouts: Sequence[RolloutScore]) -> Iterator[str]:
    """Yield the results of recursive forecasts."""
    errors = [rollout.rmse for rollout in rollouts if rollout.rmse is not None]
    if errors:
        yield f"on own predictions RMSE {spread(errors)} (last value repeated {digits(rollouts[0].naive_rmse)})"
    if not all(rollout.finite for rollout in rollouts):
        yield "on own predictions NOT FINITE"
    else:
        furthest = max(rollout.excursion or 0.0 for rollout in rollouts)
        yield f"on own predictions at most {furthest:.3g} diagonals outside the data's bounding box"


def spread(numbers: Sequence[float]) -> str:
    """Return the median with the minimum and the maximum of several numbers."""
    if len(numbers) == 1:
        return digits(numbers[0])
    return f"{digits(median(numbers))} ({digits(min(numbers))} to {digits(max(numbers))})"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Count the hits and name the misses."""
    misses = [f"{outcome.row} {outcome.name}" for outcome in outcomes if outcome.verdict == "MISS"]
    hits = sum(outcome.verdict == "ok" for outcome in outcomes)
    told = f"\nno worse than the reference (ratio at most {LARGEST_RATIO}): {hits} lines"
    return told + (f"; MISSED: {', '.join(misses)}" if misses else "; missed: none")


def digits(number: float | None) -> str:
    """Format a number with four significant digits."""
    return "-" if number is None else f"{number:.4g}"


def seconds(runs: Sequence[Run]) -> str:
    """Return the median seconds of a training."""
    taken = median_seconds(runs)
    return "-" if taken is None else f"{taken:.1f}"
