"""What pages show, block by block: code to run, code that says why it is not run, and answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

SHELL = ("bash", "sh")
RUN = (*SHELL, "python")

# A fence, and the comment before it that says why it is not run, if there is one.
_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>\n]+) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>[a-z]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_OF_THE_CLIENT = re.compile(
    r"service\.client|-m service "
    r"(?:train|forecast|backtest|models|names|promote|rollback|follow|jobs|delete|download|upload)\b"
)


@dataclass(frozen=True)
class Example:
    """A block of a page; line: where its text begins. reason: why it is not run. answer: the JSON shown after it."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None
    answer: str | None

    @property
    def place(self) -> str:
        """Where to look for it."""
        return f"{self.page}:{self.line}"

    @property
    def needs_client(self) -> bool:
        """Tell whether it uses the Python client or its commands."""
        return _OF_THE_CLIENT.search(self.text) is not None


def examples_of(page: str) -> list[Example]:
    """Return all fenced blocks of a page in their order."""
    text = (ROOT / page).read_text()
    found = list(_BLOCK.finditer(text))
    following = [*found[1:], None][: len(found)]
    return [
        Example(
            page,
            text[: one.start("text")].count("\n") + 1,
            one["language"],
            one["text"],
            one["reason"],
            after["text"] if after and after["language"] == "json" and one["language"] in RUN else None,
        )
        for one, after in zip(found, following, strict=True)
    ]


def require_shape(shown: Any, answered: Any, path: str = "") -> None:
    """Check that an answer has everything that a page shows of it, of the same type; it may have more.

    Of a list, the first element stands for all; a shown null stands for anything.
    """
    if shown is None:
        return
    if isinstance(shown, dict):
        assert isinstance(answered, dict), f"{path} is {answered!r}"
        for name, value in shown.items():
            assert name in answered, f"{path}/{name} is not in the answer"
            require_shape(value, answered[name], f"{path}/{name}")
    elif isinstance(shown, list):
        assert isinstance(answered, list), f"{path} is {answered!r}"
        if shown:
            assert answered, f"{path} is empty"
            require_shape(shown[0], answered[0], f"{path}/0")
    elif isinstance(shown, bool | str):
        assert isinstance(answered, type(shown)), f"{path} is {answered!r}"
    else:
        assert isinstance(answered, int | float), f"{path} is {answered!r}"
