"""benchmarks.against: when a row is worse, whose code is run, and how rounds alternate."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import httpx
import pytest

from benchmarks.against import Row, Side, import_client, measure_rounds, print_table
from benchmarks.checkouts import Checkout
from benchmarks.median_interval import median_interval


@pytest.mark.parametrize(
    ("count", "place", "confidence"),
    # A table of the places and their confidence: Hahn & Meeker, Statistical Intervals (2nd ed. 2017), 5.2.
    [(6, 1, 0.9688), (7, 1, 0.9844), (8, 1, 0.9922), (9, 2, 0.9609), (10, 2, 0.9785), (15, 4, 0.9648), (20, 6, 0.9586)],
)
def test_the_interval_is_between_the_right_places(count: int, place: int, confidence: float) -> None:
    found = median_interval([float(number * 37 % count) for number in range(count)])  # in no order
    assert (found.lower, found.upper) == (place - 1, count - place)
    assert found.confidence == pytest.approx(confidence, abs=5e-5)


def test_its_confidence_is_the_share_of_samples_that_enclose_the_median() -> None:
    """Each value is below or above the median with the same probability: here, all ways in which seven can be."""
    samples = list(product((-1.0, 1.0), repeat=7))
    found = [median_interval(sample) for sample in samples]
    assert sum(one.lower < 0 < one.upper for one in found) / len(samples) == found[0].confidence


def test_too_few_values_have_the_widest_interval_and_little_confidence() -> None:
    found = median_interval([3.0, 1.0, 2.0])
    assert (found.lower, found.upper, found.confidence) == (1.0, 3.0, 0.75)
    assert median_interval([1.0]).confidence == 0
    with pytest.raises(ValueError, match="at least one value"):
        median_interval([])


@pytest.mark.parametrize(
    ("ratios", "worse"),
    [
        ([1.06, 1.07, 1.1, 1.2, 1.3, 1.08, 1.09], True),
        ([1.05, 1.07, 1.1, 1.2, 1.3, 1.08, 1.09], False),
        ([0.9, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], False),
        ([2.0, 2.0, 2.0, 2.0, 2.0], False),
    ],
    ids=["all above", "one at the limit", "one below", "too few rounds"],
)
def test_a_row_is_worse_where_its_whole_interval_is_above(ratios: list[float], worse: bool) -> None:
    row = Row("row", [(3 * one, 3.0) for one in ratios])
    assert row.ratios == pytest.approx(ratios)
    assert row.is_worse == worse
    assert row.line().endswith("worse") == worse
    assert ("too few" in row.line()) == (len(ratios) < 6)


def checkout(folder: Path, program: str = "") -> Checkout:
    """Make a checkout whose service is a program of a few lines."""
    (folder / "service").mkdir(parents=True)
    (folder / "service" / "__init__.py").touch()
    (folder / "service" / "client.py").write_text("import pathlib\npathlib.Path('imported').touch()\n")
    (folder / "service" / "__main__.py").write_text(program)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return Checkout.at(str(folder))


@pytest.fixture
def checkouts(tmp_path: Path) -> tuple[Checkout, Checkout]:
    return checkout(tmp_path / "this"), checkout(tmp_path / "other")


def test_each_round_has_both_sides_and_the_order_changes(checkouts: tuple[Checkout, Checkout]) -> None:
    asked: list[str] = []
    sides: list[Side] = []

    def measure(side: Side) -> float:
        asked.append(side.checkout.folder.name)
        sides.append(side)
        return len(asked)

    found, broken = measure_rounds(checkouts, {"row": measure}, 3)
    # Both once before it counts.
    assert asked == ["this", "other"] * 2 + ["other", "this"] * 2 + ["this", "other"] * 2
    assert (found, broken) == ({"row": [(3, 4), (8, 7), (11, 12)]}, {})
    # Each round has servers of its own.
    assert len({id(one) for one in sides}) == 6


def test_what_is_imported_is_the_code_of_the_checkout(checkouts: tuple[Checkout, Checkout]) -> None:
    for one in checkouts:
        assert one.import_seconds() > 0
        assert (one.folder / "imported").exists()


def test_what_is_served_is_the_code_of_the_checkout(tmp_path: Path) -> None:
    program = """\
import http.server, os
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.getcwd().encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["FORECAST_PORT"])), Handler).serve_forever()
"""
    with checkout(tmp_path / "served", program).serving() as url:
        assert httpx.get(f"{url}/readyz").text == str(tmp_path / "served")


def test_a_row_that_breaks_is_told_and_the_others_go_on(
    checkouts: tuple[Checkout, Checkout], capsys: pytest.CaptureFixture[str]
) -> None:
    (checkouts[1].folder / "service" / "client.py").write_text("import nothing_of_this_name")
    found, broken = measure_rounds(checkouts, {"import": import_client, "start": lambda _: 1.0}, 7)
    assert found == {"import": [], "start": [(1.0, 1.0)] * 7}
    assert print_table(found, broken) == 2
    told = capsys.readouterr().out
    assert "import service.client" in told
    assert "broke: CalledProcessError" in told


def test_the_exit_code_tells_whether_a_row_is_worse(capsys: pytest.CaptureFixture[str]) -> None:
    same = [(1.0, 1.0)] * 7
    assert print_table({"start": same, "train": same}, {}) == 0
    assert print_table({"start": same, "train": [(1.2, 1.0)] * 7}, {}) == 1
    [worse] = [line for line in capsys.readouterr().out.splitlines() if line.endswith("worse")]
    assert worse.startswith("POST /train, no option")


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.against", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert f"{tmp_path} is no checkout: it has no folder service" in ran.stderr
    (tmp_path / "service").mkdir()
    with pytest.raises(ValueError, match=r"has no \.venv/bin/python: make -C"):
        Checkout.at(str(tmp_path))
