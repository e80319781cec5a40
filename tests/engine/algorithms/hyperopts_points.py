"""What hyperopt chooses in the tests that compare: on record, or asked for anew.

hyperopt takes most of the time of such a test. `ASK_HYPEROPT=1 pytest …` asks it all the same, as a test marked long
does, and so does any run with other versions of what its numbers depend on. `ASK_HYPEROPT=record pytest -n0 …` writes
the record anew.
"""

import functools
import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.cli.recorded_hyperopt import versions

Points = list[dict[str, float]]
RECORD = Path(__file__).with_name("hyperopts_points.json.gz")
HOW = "ASK_HYPEROPT"


@functools.cache
def on_record() -> Mapping[str, Points]:
    """Return the points of each test by its name; nothing if other versions are installed."""
    if not RECORD.exists() or os.environ.get(HOW):
        return {}
    record = json.loads(gzip.decompress(RECORD.read_bytes()))
    return dict(record["points"]) if record["versions"] == versions() else {}


class HyperoptsPoints:
    """Hands out hyperopt's points, and keeps those that it had to ask for."""

    def __init__(self) -> None:
        self._asked: dict[str, Points] = {}

    def of(self, test: str, ask: Callable[[], Any]) -> Any:
        """Return the points of *test*; *ask* searches with hyperopt."""
        if test not in on_record():
            points = self._asked[test] = ask()
            return points
        return on_record()[test]

    def write(self) -> None:
        """Put on record what was asked for; 13 digits are more than is compared."""
        points = {
            test: [{label: float(f"{value:.13g}") for label, value in point.items()} for point in asked]
            for test, asked in sorted(self._asked.items())
        }
        content = json.dumps({"versions": versions(), "points": points}, separators=(",", ":"))
        RECORD.write_bytes(gzip.compress(content.encode(), mtime=0))


def handed_out() -> Iterator[HyperoptsPoints]:
    """Yield the points; write them down behind the last test if that was asked for."""
    points = HyperoptsPoints()
    yield points
    if os.environ.get(HOW) == "record":
        points.write()
