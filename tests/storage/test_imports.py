from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import service.storage.files.model_file, service.storage.files.store, service.storage.registry.registry
print(sorted({"torch", "pandas", "sklearn", "scipy", "pickle5", "alembic"} & set(sys.modules)))
"""


def test_storage_starts_without_what_is_slow() -> None:
    answer = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
