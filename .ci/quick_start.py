"""Run the quick start of a README, the first Python block that calls fmin, where only the wheel is installed.

`python .ci/quick_start.py README.md`. The program runs in an empty folder, with a home of its own for its store.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def quick_start(page: str) -> str:
    """Return the first Python block of *page* that calls fmin; raises ValueError if there is none."""
    for block in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        if "fmin(" in block:
            return str(block)
    raise ValueError("no Python block calls fmin")


def main(page: Path) -> int:
    """Run it; return its exit code."""
    program = quick_start(page.read_text(encoding="utf-8"))
    # The embedded server ends a moment after its last user, so it may still write when the folder goes.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = {name: value for name, value in os.environ.items() if name not in ("HSTORE_URL", "PYTHONPATH")}
        environment["HSTORE_HOME"] = str(Path(folder, "home"))
        Path(folder, "quick_start.py").write_text(program, encoding="utf-8")
        where = "import hstore; print('hstore', hstore.__version__, 'of', hstore.__file__)"
        for words in (["-c", where], ["quick_start.py"], ["-m", "hstore", "ls"], ["-m", "hstore", "db", "stop"]):
            code = subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=False).returncode
            if code != 0:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
