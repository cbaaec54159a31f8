"""Accuracy: this service without options, naive forecasts, AutoETS, AutoTheta and a GRU of neuralforecast.

All methods use the same split. A plain run scores the test sets of the competitions, for reporting; ``--inside`` holds
out the end of the training sets instead, and only that may be used to choose a method. Run ``python -m
benchmarks.accuracy --help``; benchmarks/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import accuracy_service, public_table
from benchmarks.accuracy_bootstrap import difference
from benchmarks.accuracy_data import GROUPS, describe, load_group
from benchmarks.accuracy_metrics import score
from benchmarks.accuracy_naive import naive2, seasonal_naive
from benchmarks.accuracy_peers import CachedPeers
from benchmarks.accuracy_series import AccuracySeries, Forecast
from benchmarks.accuracy_table import HEADING, Line, Result, failures, given_season, line_of, mean_lines, seed_spread
from benchmarks.server import ForecastApi, serving

SERVICE = ("service", "service-items")
# Only where series have two seasons.
TWO_SEASONS, FOR_TWO_SEASONS = "two-seasons", ("weekly-naive", "mstl-ets")
# The peers that the service is compared with in each group.
PEERS = ("auto-ets", "auto-theta")
DEFAULTS = ("snaive", "naive2", *FOR_TWO_SEASONS, *PEERS, "gru", "gru-standard", *SERVICE)
# What the service knows of the season: each goal is how much higher the mean OWA may be than with the season given.
SEASON_GIVEN, SEASON_GOALS = "season-given", {"service": 0.01, "values-alone": 0.02}
# Nothing is trained; and what the pre-trained prior adds.
ZERO_SHOT, WITHOUT_PRIOR = "zero-shot", "without-prior"
ONE_EACH = (SERVICE[0], "values-alone", SEASON_GIVEN, ZERO_SHOT, WITHOUT_PRIOR)
METHODS = (*DEFAULTS, *ONE_EACH[1:])
PUBLIC = "public-table"


@dataclass(frozen=True)
class Options:
    """What to run.

    seeds: for the service only; the first is its default, so it is not sent. last: see the command line.
    """

    groups: tuple[str, ...]
    methods: tuple[str, ...]
    sample: int
    seeds: int
    inside: bool
    last: int | None
    public: bool
    json: Path | None
    server_log: Path | None


Panel = Sequence[AccuracySeries]
Method = Callable[[str, Panel, int], list[Forecast]]


def main() -> None:
    """Run the groups one after another, and print each line when it is complete."""
    options = parse_options()
    groups: dict[str, Panel] = {}
    lines: dict[str, list[Line]] = {}
    results: list[Result] = []
    with ExitStack() as stack:
        api = open_service(stack, options)
        methods = chosen_methods(options, CachedPeers(stack), api)
        for group in options.groups:
            panel = load_group(group, options.sample)
            groups[group] = [series.inside() for series in panel] if options.inside else panel
            if options.last:
                short = [series.cut(options.last) for series in groups[group]]
                groups[group] = [series for series in short if series.scale > 0]
            print(f"\n{group}: {describe(groups[group])}\n{HEADING}", flush=True)
            results += run_group(group, groups[group], methods, options, lines.setdefault(group, []))
        if options.public and api:
            print(public_table.run(api, options.inside), flush=True)
    if len(lines) > 1:
        print("\n".join([f"\nmean over {len(lines)} groups", HEADING, *map(str, mean_lines(lines))]))
    notes = [*failures(results, groups), *(spread for one in SERVICE if (spread := seed_spread(lines, one)))]
    print("\n".join([*notes, *given_season(lines, SEASON_GOALS, SEASON_GIVEN)]))
    if options.json:
        options.json.write_text(json.dumps(record_of(options, groups, results, lines), indent=1))


def parse_options() -> Options:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    everything = ",".join((*GROUPS, PUBLIC))
    parser.add_argument("--groups", default=everything, help=f"of {everything}")
    parser.add_argument("--methods", default=",".join(DEFAULTS), help=f"of {','.join(METHODS)}")
    parser.add_argument("--sample", type=int, default=100, help="series a group, of a fixed order (default 100)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the service's training (default 1)")
    parser.add_argument("--inside", action="store_true", help="hold out the end of the training parts instead")
    parser.add_argument("--last", type=int, help="keep only so many last values of the training parts (not for peers)")
    parser.add_argument("--json", type=Path, help="file to write every score to")
    parser.add_argument("--server-log", type=Path, help="file to keep the server's output in")
    given = parser.parse_args()
    groups, methods = given.groups.split(","), given.methods.split(",")
    if unknown := {*groups, *methods} - {*GROUPS, PUBLIC, *METHODS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return Options(
        tuple(group for group in groups if group != PUBLIC),
        tuple(method for method in METHODS if method in methods),
        given.sample,
        given.seeds,
        given.inside,
        given.last,
        PUBLIC in groups,
        given.json,
        given.server_log,
    )


def open_service(stack: ExitStack, options: Options) -> ForecastApi | None:
    """Start a server and warm it up, if a method needs one."""
    if not {*SERVICE, *ONE_EACH} & set(options.methods):
        return None
    api = stack.enter_context(serving(options.server_log))
    accuracy_service.warm_up(api)
    return api


def chosen_methods(options: Options, peers: CachedPeers, api: ForecastApi | None) -> dict[str, Method]:
    """Return the methods to run, in the table's order."""
    every: dict[str, Method] = {
        "snaive": lambda _, panel, __: [seasonal_naive(series) for series in panel],
        "naive2": lambda _, panel, __: [naive2(series) for series in panel],
        "weekly-naive": lambda _, panel, __: [seasonal_naive(series, 7) for series in panel],
        "mstl-ets": lambda group, panel, _: peers.forecast_each("mstl_ets", group, panel),
        "auto-ets": lambda group, panel, _: peers.forecast_each("auto_ets", group, panel),
        "auto-theta": lambda group, panel, _: peers.forecast_each("auto_theta", group, panel),
        "gru": lambda group, panel, seed: peers.forecast_together("gru", group, panel, seed),
        "gru-standard": lambda group, panel, seed: peers.forecast_together("gru-standard", group, panel, seed),
    }
    if api:
        every["service"] = lambda _, panel, seed: accuracy_service.forecast_each(api, panel, seed)
        every["service-items"] = lambda _, panel, seed: accuracy_service.forecast_together(api, panel, seed)
        every["values-alone"] = lambda _, panel, seed: accuracy_service.forecast_values(api, panel, seed)
        every[ZERO_SHOT] = lambda _, panel, __: accuracy_service.forecast_zero_shot(api, panel)
        every[WITHOUT_PRIOR] = lambda _, panel, seed: accuracy_service.forecast_without_prior(api, panel, seed)
        every[SEASON_GIVEN] = lambda _, panel, seed: accuracy_service.forecast_each(api, panel, seed, True)
    return {name: every[name] for name in options.methods}


def run_group(
    group: str, panel: Panel, methods: dict[str, Method], options: Options, lines: list[Line]
) -> list[Result]:
    """Forecast and score a group with each method and seed; print and collect each line as it completes."""
    results: list[Result] = []
    name = f"{group}-inside" if options.inside else group
    reference = scored(group, "naive2", 0, panel, [naive2(series) for series in panel])
    for method, forecast in methods.items():
        if method in FOR_TWO_SEASONS and group != TWO_SEASONS:
            continue
        for seed in range(options.seeds if method in SERVICE else 1):
            results.append(scored(group, method, seed, panel, forecast(name, panel, seed)))
            lines.append(line_of(results[-1], reference))
            print(lines[-1], flush=True)
    peers = [one for one in results if one.method in PEERS]
    ours = [one for one in results if one.method in SERVICE and one.seed == 0]
    for one in ours if peers else []:
        print(difference(one, peers, reference), flush=True)
    return results


def scored(group: str, method: str, seed: int, panel: Panel, forecasts: list[Forecast]) -> Result:
    """Score the forecasts of a group."""
    scores = [score(series, forecast) for series, forecast in zip(panel, forecasts, strict=True)]
    return Result(group, method, seed, forecasts, scores)


def record_of(
    options: Options, groups: dict[str, Panel], results: list[Result], lines: dict[str, list[Line]]
) -> dict[str, object]:
    """Return all scores as JSON-serialisable values."""
    every = [
        {
            "group": result.group,
            "method": result.method,
            "seed": result.seed,
            "mean": asdict(result.mean),
            "series": {
                series.name: asdict(one) for series, one in zip(groups[result.group], result.scores, strict=True)
            },
        }
        for result in results
    ]
    owas = {group: {line.method: line.owa for line in found} for group, found in lines.items()}
    return {"inside": options.inside, "sample": options.sample, "owa": owas, "results": every}


if __name__ == "__main__":
    main()
