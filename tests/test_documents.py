"""docs/settings.md and docs/problems.md say what the code does: no entry less, none more, none different."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.api.output.problems import TYPE_PREFIX, status_of
from service.api.schemas.training import TrainRequest
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
    description = " ".join(str(FIELDS[name].description).split())
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


OPTIONS = {
    line.split("`")[1]: line.split(" | ")[1].strip("`")
    for line in (DOCS / "choosing-options.md").read_text().splitlines()
    if line.startswith("| `")
}


def options_of(schema: dict[str, Any], definitions: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the schema of every option by its dotted name; of those with several forms, of the forms' parts too."""
    found: dict[str, Any] = {}
    for name, option in schema["properties"].items():
        found[prefix + name] = option
        for form in (option, *option.get("oneOf", ())):
            inner = definitions.get(form.get("$ref", "").rpartition("/")[2], {})
            if "properties" in inner and name != "series":
                found |= options_of(inner, definitions, f"{prefix}{name}.")
    return found


def test_every_option_of_a_training_and_no_other_is_in_the_page() -> None:
    schema = TrainRequest.model_json_schema()
    known = options_of(schema, schema["$defs"])
    assert set(OPTIONS) == set(known)
    for name, option in known.items():
        default = option.get("default")
        wanted = {"needed", "none", "chosen", "see below", "a fifth"} if default is None else {json.dumps(default)}
        assert OPTIONS[name] in wanted, name


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_pictures_are_there_and_small(page: Path) -> None:
    for picture in re.findall(
        r"^!\[[^\]]+\]\(([^)]+)\)", re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL), re.M
    ):
        assert (page.parent / picture).stat().st_size < 200_000


ROOT = DOCS.parent
_MODULE = re.compile(r"`((?:service/)?[a-z_]+(?:/[a-z_]+)+)(?:\.py)?/?`")


@pytest.mark.parametrize(
    "page",
    [ROOT / "CONTRIBUTING.md", DOCS / "architecture.md", *sorted((DOCS / "decisions").glob("*.md"))],
    ids=lambda page: page.name,
)
def test_modules_that_a_page_for_contributors_names_exist(page: Path) -> None:
    folders = (ROOT, ROOT / "service", ROOT / "service" / "forecasting", ROOT / "service" / "web")
    for name in set(_MODULE.findall(page.read_text())):
        assert any((folder / f"{name}{end}").exists() for folder in folders for end in ("", ".py")), name


def test_every_decision_is_in_the_index_and_in_the_navigation() -> None:
    index, navigation = (DOCS / "decisions" / "index.md").read_text(), (ROOT / "mkdocs.yml").read_text()
    for number, page in enumerate(sorted((DOCS / "decisions").glob("0*.md")), 1):
        assert page.name.startswith(f"{number:04}-")
        assert f"]({page.name})" in index
        assert f"- decisions/{page.name}\n" in navigation


def test_warnings_that_the_page_of_intervals_explains_are_given() -> None:
    table = (DOCS / "intervals.md").read_text().partition("| warning | meaning |")[2].partition("\n\n")[0]
    quoted = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]
    assert len(quoted) >= 5
    trees = [ast.parse(path.read_text()) for path in (ROOT / "service").rglob("*.py")]
    given = [skeleton(one) for tree in trees for one in ast.walk(tree) if isinstance(one, ast.JoinedStr)]
    for warning in quoted:
        wanted = _NUMBER.sub("#", warning.partition(": ")[2] or warning)
        assert any(wanted in text for text in given), warning


_NUMBER = re.compile(r"[0-9][0-9.]*")


def skeleton(text: ast.JoinedStr) -> str:
    """Return an f-string with # for each number and each value."""
    parts = (one.value if isinstance(one, ast.Constant) else "#%" if is_percent(one) else "#" for one in text.values)
    return _NUMBER.sub("#", "".join(str(part) for part in parts))


def is_percent(value: ast.expr) -> bool:
    """Tell whether a value of an f-string is written with a percent sign."""
    return isinstance(value, ast.FormattedValue) and "%" in ast.unparse(value.format_spec or ast.Constant(""))
