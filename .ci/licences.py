"""Hold the licences of an SBOM against docs/licences.md; with --lock, write them there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path("docs/licences.md")
# What a container may be passed on with; psycopg (LGPL) is used as a library, unchanged.
ALLOWED = (
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "LGPL-3.0-only"),
    *("LLVM-exception", "MIT", "MPL-2.0", "PSF-2.0", "Zlib"),
)
# Packages that tell it in words, or not at all: their own files say so.
TOLD_IN_WORDS = {
    "Jinja2": "BSD-3-Clause",
    "mpmath": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "protobuf": "BSD-3-Clause",
    "safetensors": "Apache-2.0",
    "scipy": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
}


def main() -> int:
    """Return 1 where a licence is not allowed or not listed."""
    parts = json.loads(Path(sys.argv[1]).read_text())["components"]
    rows = sorted((one["name"], licence_of(one)) for one in parts)
    wrong = [f"{name}: the licence {licence!r} is not allowed" for name, licence in rows if not is_allowed(licence)]
    if sys.argv[2:] == ["--lock"] and not wrong:
        PAGE.write_text(page(rows))
    listed = PAGE.read_text()
    wrong += [
        f"{name}: {licence} is not in {PAGE}: make lock" for name, licence in rows if row(name, licence) not in listed
    ]
    print("\n".join(wrong) or f"licences of {len(rows)} packages are listed and allowed")
    return int(bool(wrong))


def licence_of(component: dict[str, Any]) -> str:
    """Return an SPDX expression of all that a package tells, or what else is told."""
    name = component["name"]
    if name in TOLD_IN_WORDS:
        return TOLD_IN_WORDS[name]
    told = component.get("licenses", [])
    names = [one.get("expression") or one["license"].get("id") for one in told]
    words = [one["license"].get("name", "") for one in told if "license" in one]
    return " AND ".join(dict.fromkeys(one for one in names if one)) or next((one for one in words if one), "none")


def is_allowed(licence: str) -> bool:
    """Tell whether each licence of an expression is one that we pass on."""
    return all(
        one in ALLOWED
        for one in re.split(r"[()\s]+| AND | OR | WITH ", licence)
        if one not in ("AND", "OR", "WITH", "")
    )


def row(name: str, licence: str) -> str:
    """Return the line of the table."""
    return f"| {name} | {licence} |"


def page(rows: list[tuple[str, str]]) -> str:
    """Return the whole page."""
    lines = "\n".join(row(*one) for one in rows)
    return (
        "# Licences\n\n"
        "This service is under the [MIT licence](../LICENSE). The image contains these packages in addition to "
        "Python and Debian;\n`make lock` writes the table, and `.ci/run` compares it with what is installed. "
        "An image built with CUDA also contains NVIDIA's\nlibraries, under NVIDIA's own terms.\n\n"
        f"| package | licence |\n|---|---|\n{lines}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
