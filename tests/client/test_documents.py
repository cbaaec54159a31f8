"""What README.md and docs/client.md show works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from service.__main__ import main
from service.command_line import exit_codes
from service.command_line.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/client.md")


def blocks(page: str, language: str) -> str:
    """Return the code of a page in one language, one block after another."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))


@pytest.mark.parametrize("page", PAGES)
def test_python(
    page: str, server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks(page, "python").replace("http://127.0.0.1:8000", server_url), {})
    assert capsys.readouterr().out
    assert list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("page", PAGES)
def test_commands(
    page: str, server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORECAST_URL", server_url)
    rows = [f"{2018 + n // 12}-{n % 12 + 1:02},{n + n % 12 * (12 - n % 12)}" for n in range(84)]
    for file in ("sales.csv", "units.csv"):
        Path(file).write_text("\n".join(["month,units", *rows, ""]))
    commands = [
        shlex.split(line)[3:] for line in blocks(page, "bash").splitlines() if line.startswith("python -m service")
    ]
    commands = [one for one in commands if one and one[0] in COMMANDS]
    assert len(commands) >= 2
    for command in commands:
        code = main(command)
        told = capsys.readouterr()
        assert code == 0, f"{command}\n{told.err}"
        assert told.out
    assert list(tmp_path.glob("*.png"))


def test_every_command_and_exit_code_is_told() -> None:
    page = (ROOT / "docs/client.md").read_text()
    for command in COMMANDS:
        assert re.search(rf"`{command} [\[MFN]", page), command
    codes = {getattr(exit_codes, name) for name in dir(exit_codes) if name.isupper() and name != "MEANING"}
    assert codes == {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
