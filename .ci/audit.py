"""Tell what pip-audit found; exit code 1 where a package has a known vulnerability."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    """Read pip-audit's JSON; return the exit code."""
    path = Path(sys.argv[1])
    if not path.exists():
        print("NOT AUDITED: pip-audit found no database of vulnerabilities")
        return 0
    packages = json.loads(path.read_text())["dependencies"]
    for one in packages:
        for found in one.get("vulns", []):
            mended = ", ".join(found["fix_versions"]) or "nothing yet"
            print(f"{one['name']} {one['version']}: {found['id']}, mended in {mended}")
    unseen = [one["name"] for one in packages if "skip_reason" in one]
    if unseen:
        print(
            f"NOT AUDITED: {len(unseen)} of {len(packages)} packages, for the database cannot be reached or lacks them"
        )
    print(f"audited: {len(packages) - len(unseen)} packages")
    return int(any(one.get("vulns") for one in packages))


if __name__ == "__main__":
    sys.exit(main())
