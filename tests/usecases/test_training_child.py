"""What a training child calls first is to be imported in no time."""

from __future__ import annotations

import subprocess
import sys

SLOW = ("torch", "pandas", "sklearn", "fastapi", "sqlalchemy", "pydantic", "service.app")


def test_the_first_module_of_a_child_imports_nothing_slow() -> None:
    check = (
        f"import sys, service.usecases.training_child; sys.exit(str([name for name in {SLOW} if name in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == "[]"
