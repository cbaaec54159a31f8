"""Every example of README.md and docs/ runs as it stands, in the order of its page, against a real server."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.page_examples import PAGES, ROOT, RUN, Example, examples_of, require_shape

pytestmark = pytest.mark.process

HAS_CLIENT = importlib.util.find_spec("service.client") is not None
URL = "http://127.0.0.1:8000"
SECONDS = 600

# Variables live on from block to block; curl fails on a problem, unless the page shows that problem.
BEFORE = 'set -euo pipefail; [ ! -e ../state ] || . ../state; trap "export -p > ../state" EXIT; set -a\n'
STRICT = 'curl() { command curl --fail-with-body "$@"; }\n'
# A file that examples take as the reader's own.
SALES = "month,units\n" + "".join(
    f"{year}-{month:02},{year % 10 * 3 + month * (13 - month)}\n"
    for year in range(2018, 2025)
    for month in range(1, 13)
)


@pytest.fixture(scope="module")
def url(server_url: str) -> str:
    if shutil.which("curl") is None and not os.environ.get("CI"):
        pytest.skip("curl is not installed")
    return server_url


class Reader:
    """Somebody who follows a page from its top, in a folder of their own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "__main__"}
        (folder / "sales.csv").write_text(SALES)

    def follow(self, example: Example) -> None:
        """Run a block, and hold its answer against the one that is shown."""
        text = example.text.replace(URL, self._url)
        printed = self._python(text, example.place) if example.language == "python" else self._shell(text, example)
        if example.answer is not None:
            require_shape(json.loads(example.answer), json.loads(printed))

    def _python(self, text: str, place: str) -> str:
        with contextlib.chdir(self._folder), contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(text, place, "exec"), self._names)
        return printed.getvalue()

    def _shell(self, text: str, example: Example) -> str:
        shows_problem = "urn:forecast:problem" in (example.answer or "")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["bash", "-c", BEFORE + ("" if shows_problem else STRICT) + text],
            cwd=self._folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "FORECAST_URL": self._url, "MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{example.place}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if any(one.language in RUN for one in examples_of(page))])
def test_examples_of_page(page: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    folder = tmp_path / "reader"
    folder.mkdir()
    reader = Reader(url, folder)
    client_is_missing = False
    for example in examples_of(page):
        if example.language not in RUN or example.reason is not None:
            continue
        if not HAS_CLIENT and (example.needs_client or (client_is_missing and example.language == "python")):
            client_is_missing = True
            continue
        reader.follow(example)
    if client_is_missing:
        pytest.skip("service.client is not there: what uses it was left out, all else ran")


@pytest.mark.parametrize("page", PAGES)
def test_no_command_hides_from_the_tests(page: str) -> None:
    """What a shell would run is told to be shell, so that it is run, or says why not."""
    hidden = [
        one.place
        for one in examples_of(page)
        if one.language not in RUN and one.language != "dockerfile" and "curl " in one.text
    ]
    assert not hidden


def test_most_examples_run() -> None:
    shown = [one for page in PAGES for one in examples_of(page) if one.language in RUN]
    assert sum(one.reason is None for one in shown) * 2 > len(shown)
    assert {one.language for one in shown if one.reason is None} >= {"python", "bash"}


def test_an_example_that_fails_is_found(url: str, tmp_path: Path) -> None:
    (tmp_path / "reader").mkdir()
    reader = Reader(url, tmp_path / "reader")
    wrong = f"curl -s -X POST '{URL}/train' -H 'Content-Type: application/json' -d '{{\"series\": [1]}}'"
    with pytest.raises(AssertionError, match="series-too-short"):
        reader.follow(Example("page", 1, "bash", wrong, None, None))
    with pytest.raises(AssertionError, match="/nothing is not in the answer"):
        reader.follow(Example("page", 1, "bash", f"curl -s '{URL}/livez'", None, '{"nothing": 1}'))


def test_variables_live_on(url: str, tmp_path: Path) -> None:
    (tmp_path / "reader").mkdir()
    reader = Reader(url, tmp_path / "reader")
    for language, text in (("bash", "word='two words'"), ("bash", 'test "$word" = "two words"'), ("python", "x = 1")):
        reader.follow(Example("page", 1, language, text, None, None))
    reader.follow(Example("page", 1, "python", "assert x == 1", None, None))
