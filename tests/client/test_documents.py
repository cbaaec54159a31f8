"""What README.md and docs/client.md show works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.command_line import exit_codes
from service.command_line.parser import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/client.md")


def blocks(page: str, language: str) -> str:
    """Return the code of a page in one language, one block after another."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "FORECAST_URL": url, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("page", PAGES)
def test_python(page: str, server_url: str, tmp_path: Path) -> None:
    code = blocks(page, "python").replace("http://127.0.0.1:8000", server_url)
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(server_url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
    assert list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("page", PAGES)
def test_commands(page: str, server_url: str, tmp_path: Path) -> None:
    rows = [
        f"{year}-{month:02},{year % 10 * 3 + month * (13 - month)}"
        for year in range(2018, 2025)
        for month in range(1, 13)
    ]
    (tmp_path / "sales.csv").write_text("\n".join(["month,units", *rows, ""]))
    shutil.copy(tmp_path / "sales.csv", tmp_path / "units.csv")
    commands = [
        line for line in blocks(page, "bash").splitlines() if re.match(r"python -m service \w+ [a-z]|.* jobs", line)
    ]
    commands = [one for one in commands if one.split()[3] in COMMANDS]
    assert len(commands) >= 2
    for command in commands:
        asked = [sys.executable, *command.split()[1:]]
        ended = subprocess.run(
            asked, cwd=tmp_path, env=environment(server_url), capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{command}\n{ended.stderr}"
        assert ended.stdout
    assert list(tmp_path.glob("*.png"))


def test_every_command_and_exit_code_is_told() -> None:
    page = (ROOT / "docs/client.md").read_text()
    for command in COMMANDS:
        assert re.search(rf"`{command} [\[MF]", page), command
    codes = {getattr(exit_codes, name) for name in dir(exit_codes) if name.isupper() and name != "MEANING"}
    assert codes == {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
