"""How commands print the recommended point of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hstore.engine.search.recommendation import Recommendation


def recommended_data(found: Recommendation) -> dict[str, Any]:
    """Return *found* as JSON has it."""
    return {
        "tid": found.tid, "trials": [*found.trials], "expected": found.expected, "deviation": found.deviation,
        "noise": found.noise, "is_noisy": found.is_noisy, "params": dict(found.params), "point": dict(found.point),
    }  # fmt: skip


def recommended_lines(found: Recommendation) -> Iterator[str]:
    """Yield *found* as people read it: the point, what to expect of it, and how noisy losses are."""
    from hstore.cli.table import text

    if found.is_noisy:
        n = len(found.trials)
        times = "once" if n == 1 else f"{n} times"
        yield (
            f"trial {found.tid}, expected loss {text(found.expected)} ± {text(found.deviation)} "
            f"(evaluated {times}; one evaluation ± {text(found.noise)})"
        )
    else:
        yield f"trial {found.tid}, loss {text(found.expected)} (the best: nothing says that losses are noisy)"
    for label, value in found.params.items():
        yield f"  {text(label)} = {text(str(value))}"
