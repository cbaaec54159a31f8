"""docs/settings.md and docs/problems.md say what the code does: no entry less, none more, none different."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.api.problems import TYPE_PREFIX, status_of
from service.errors import ServiceError
from service.settings import ClientSettings, Settings

DOCS = Path(__file__).parent.parent / "docs"


def rows(page: str, first_cell: str) -> dict[str, list[str]]:
    """Return the further cells of every table row whose first cell is code that starts so, by that code."""
    found: dict[str, list[str]] = {}
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith(f"| `{first_cell}"):
            name = cells[0].strip("`")
            assert name not in found, f"{name} stands in {page} twice"
            found[name] = cells[1:]
    return found


SETTINGS = rows("settings.md", "FORECAST_")
PROBLEMS = rows("problems.md", TYPE_PREFIX)
FIELDS = {**Settings.model_fields, **ClientSettings.model_fields}
ERRORS = {TYPE_PREFIX + one.slug: one for one in ServiceError.tree()}


def test_every_setting_and_no_other_is_in_the_page() -> None:
    assert set(SETTINGS) == {f"FORECAST_{name.upper()}" for name in FIELDS}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_default_of_setting(name: str) -> None:
    default = FIELDS[name].default
    assert SETTINGS[f"FORECAST_{name.upper()}"][0] == ("not set" if default is None else f"`{default}`")


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_setting_means_what_its_description_says(name: str) -> None:
    meaning = SETTINGS[f"FORECAST_{name.upper()}"][1].replace("`", "")
    description = str(FIELDS[name].description)
    assert meaning.startswith(re.split(r"[.;:]", description)[0])


def test_every_problem_and_no_other_is_in_the_page() -> None:
    assert len(ERRORS) == len(list(ServiceError.tree())), "two classes share a slug"
    assert set(PROBLEMS) == set(ERRORS)


@pytest.mark.parametrize("urn", sorted(ERRORS))
def test_problem_has_its_status_title_time_and_cure(urn: str) -> None:
    status, title, when, cure = PROBLEMS[urn]
    assert (status, title) == (str(status_of(ERRORS[urn](""))), ERRORS[urn].title)
    assert when.endswith(".")
    assert cure.endswith(".")


def test_settings_that_the_problems_name_are_there() -> None:
    named = set(re.findall(r"FORECAST_[A-Z_]+", (DOCS / "problems.md").read_text()))
    assert named <= set(SETTINGS)
