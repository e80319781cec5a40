"""Faults: real searches by real processes, to which everything happens that can; then the check. See `make faults`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "store"))  # the replica set lies beside the tests that share it
