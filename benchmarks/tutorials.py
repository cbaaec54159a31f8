"""The nine tutorials, twice: their recipes in plain torch, and the same work through the service's API.

Run ``python -m benchmarks.tutorials --help``; benchmarks/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx
import torch

from benchmarks.server import REPOSITORY, ForecastApi, RequestError, serving
from benchmarks.tutorial_data import TutorialSeries
from benchmarks.tutorial_recipes import CASES, Case
from benchmarks.tutorial_reference import fit_reference
from benchmarks.tutorial_scores import Outcome, Run, rollout_history, score_rollout
from benchmarks.tutorial_service import run_with_no_options, run_with_same_options
from benchmarks.tutorial_table import heading, line, notes, summary

DATA = REPOSITORY.parent / "shared" / "data" / "tutorials"


@dataclass(frozen=True)
class Options:
    """What to run: quick is one seed and a tenth of the epochs, too little for conclusions."""

    rows: frozenset[int]
    seeds: int
    quick: bool
    side: str
    serial: bool
    data: Path
    json: Path | None
    server_log: Path | None


def parse_options() -> Options:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tutorials", description=__doc__)
    parser.add_argument("--rows", default="1,2,3,4,5,6,7,8,9", help="tutorials to run, such as 1,3")
    parser.add_argument("--seeds", type=int, default=5, help="trainings a cell; medians are printed (default 5)")
    parser.add_argument("--quick", action="store_true", help="one seed, a tenth of the epochs: does it run?")
    parser.add_argument("--side", choices=["both", "reference", "service"], default="both", help="run one side only")
    parser.add_argument("--serial", action="store_true", help="one side after the other, for undisturbed seconds")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the tutorials' files")
    parser.add_argument("--json", type=Path, help="file to write every run to")
    parser.add_argument("--server-log", type=Path, help="file to keep the server's output in")
    given = parser.parse_args()
    rows = frozenset(int(row) for row in given.rows.split(","))
    seeds = 1 if given.quick else given.seeds
    return Options(
        rows, seeds, given.quick, given.side, given.serial, given.data, given.json, server_log=given.server_log
    )


def main() -> int:
    """Run the cases one by one, and print each line when it is complete; return 1 if the service refused one."""
    options = parse_options()
    prepare_torch()
    outcomes = []
    print(heading(options.seeds, options.quick), flush=True)
    server = nullcontext(None) if options.side == "reference" else serving(options.server_log)
    with server as api:
        for case in chosen_cases(options):
            try:
                series = case.load(options.data)
            except FileNotFoundError as error:
                print(f"{case.row}  {case.name}: skipped, there is no {Path(error.filename).name} in {options.data}")
                continue
            outcomes.append(run_case(case, series, options, api))
            print(line(outcomes[-1]), flush=True)
    print(notes(outcomes))
    print(summary(outcomes))
    if options.json:
        results = [asdict(outcome) | {"ratio": outcome.ratio, "verdict": outcome.verdict} for outcome in outcomes]
        options.json.write_text(json.dumps({"seeds": options.seeds, "quick": options.quick, "rows": results}, indent=1))
    return int(any(outcome.failures for outcome in outcomes))


def prepare_torch() -> None:
    """Use one thread, as the service does, and load what the first optimizer of a process loads before timing."""
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def chosen_cases(options: Options) -> Iterator[Case]:
    """Yield the cases to run, shortened if the run is quick."""
    for case in CASES:
        if case.row in options.rows:
            epochs = max(1, case.recipe.epochs // 10) if options.quick else case.recipe.epochs
            yield replace(case, recipe=replace(case.recipe, epochs=epochs))


def run_case(case: Case, series: TutorialSeries, options: Options, api: ForecastApi | None) -> Outcome:
    """Run both sides concurrently unless serial: the service trains in a separate process."""
    outcome = Outcome.of(case, series, judged=case.judged and not options.quick)
    with ThreadPoolExecutor(max_workers=1) as pool:
        service = pool.submit(run_service, case, series, options.seeds, api, outcome) if api else None
        if service and options.serial:
            service.result()
        if options.side != "service":
            outcome.reference = [run_reference(case, series, seed) for seed in range(options.seeds)]
        if service:
            service.result()
    return outcome


def run_reference(case: Case, series: TutorialSeries, seed: int) -> Run:
    """Train and score the plain-torch side; the seconds are those of the training."""
    started = time.perf_counter()
    fitted = fit_reference(case.recipe, series, seed)
    seconds = time.perf_counter() - started
    rollout = None
    if case.rollout:
        forecast = fitted.rollout(rollout_history(series, case.rollout), case.rollout.steps)
        rollout = score_rollout(series, case.rollout, forecast)
    train_rmse = fitted.one_step_rmse(series.train, fitted.context_length) if case.shows_train_error else None
    return Run(fitted.one_step_rmse(series.values, series.train_length), seconds, train_rmse, rollout)


def run_service(case: Case, series: TutorialSeries, seeds: int, api: ForecastApi, outcome: Outcome) -> None:
    """Train and score the service's side; a refusal is recorded in the line, and the next line is run."""
    for seed in range(seeds):
        with noting_failures(outcome, f"seed {seed}"):
            outcome.service.append(run_with_same_options(api, case, series, seed))
    with noting_failures(outcome, "no options"):
        outcome.own_choice.append(run_with_no_options(api, case, series))


@contextmanager
def noting_failures(outcome: Outcome, what: str) -> Iterator[None]:
    """Record a refusal for the notes instead of stopping the benchmark."""
    try:
        yield
    except (RequestError, httpx.HTTPError) as error:
        outcome.failures.append(f"{what}: {error}")


if __name__ == "__main__":
    sys.exit(main())
