"""What the programs of written_for_hyperopt print on hyperopt: recorded, or run anew with other versions installed.

`python -m tests.cli.recorded_hyperopt` records it.
"""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = Path(__file__).parent / "written_for_hyperopt"
TUTORIALS = ("quadratic", "classifiers", "resumed", "extended")
RECORD = PROGRAMS / "printed_by_hyperopt.json"
WHAT_NUMBERS_DEPEND_ON = ("hyperopt", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the installed versions of what the numbers depend on."""
    return {name: version(name) for name in WHAT_NUMBERS_DEPEND_ON}


def print_on_hyperopt(name: str) -> str:
    """Return what the program called *name* prints on hyperopt now."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", str(PROGRAMS / f"{name}.py")]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def printed_by_hyperopt(name: str) -> str:
    """Return what the program called *name* prints on hyperopt, as recorded if that was with the versions here."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if record["versions"] == versions():
        return str(record["printed"][name])
    return print_on_hyperopt(name)


def main() -> None:
    """Record it."""
    record = {"versions": versions(), "printed": {name: print_on_hyperopt(name) for name in TUTORIALS}}
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
