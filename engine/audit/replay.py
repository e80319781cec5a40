"""Replay: derive every suggestion of an experiment again from what it knew, and compare.

Bits are compared wherever bits are promised: for portable algorithms everywhere, for the others on a machine with
the fingerprint of the one that chose. Elsewhere their linear algebra rounds differently, and a number counts as
the same within `TOLERANCE` of its label's range; the report says of how many decisions that was so.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from hstore.engine.algorithms import ALGORITHMS, Exhausted, scalarise, why_unknown
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.evaluation.pruning import PruningReplay, why_skipped
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.search.observed_history import ObservedHistory
from hstore.engine.search.seeds import Seeds
from hstore.engine.space import Space
from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.events import Queued
from hstore.store.store import Experiment

TOLERANCE = 1e-3
"""How far apart two numbers of a label may be, as a part of its range, where bits cannot be compared."""
_IS_NO_MATTER = ("hstore", "python")  # of a fingerprint: neither changes what numpy, scipy and BLAS compute


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A decision that does not follow from what it knew: label by label what is recorded and what is derived."""

    tid: int
    label: str
    recorded: Any
    derived: Any
    is_explained: bool = False
    """Whether another kind of machine may be the reason: there an algorithm that is not portable may also end on
    another of two peaks of the same height, which no tolerance covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of deriving an experiment's suggestions again."""

    exp: str
    trials: int
    """Decisions looked at."""
    suggested: int
    """Those that an algorithm made and that were derived again."""
    approximate: int
    """Those among them that were made on another kind of machine by an algorithm that is not portable: compared
    within `TOLERANCE`, not bit for bit."""
    given: int
    """Those that a person gave, or that were imported: nothing to derive."""
    pruned: int
    """Decisions to stop a trial early that were derived again."""
    skipped: tuple[tuple[int, str], ...]
    """(tid, why) of those that this program cannot derive."""
    differences: tuple[Difference, ...]
    head: bytes

    @property
    def is_same(self) -> bool:
        """Whether every decision that could be derived again came out the same, bit for bit but for *approximate*."""
        return not self.differences


def derive_again(
    experiment: Experiment, *, until: int | None = None, on_progress: Callable[[int], object] = lambda _: None
) -> Replay:
    """Fold the decisions of *experiment* one by one, suggest again what each chose, and compare.

    Decisions to stop a trial early are made again as well, each from what it had seen.

    until: the last trial to look at; all without it. on_progress is called with 1 after each decision.
    Raises `NotFound` for an experiment without a beginning or without trial *until*, `VerificationFailed` for a
    decision that cannot be read: nothing after it can be derived.
    """
    state = experiment.state
    if state.created is None:
        raise NotFound(
            f"experiment {experiment.name!r} has no beginning in the log",
            hint=f"hstore verify {experiment.name}",
        )
    if until is not None and until not in state.trials:
        raise NotFound(
            f"experiment {experiment.name!r} has no trial {until}",
            hint=f"its last is {len(state.trials) - 1}",
        )
    space = Space.from_data(state.created.space)
    seeds, known = Seeds(state.created.generator), ObservedHistory(space)
    differences: list[Difference] = []
    skipped: list[tuple[int, str]] = []
    count = len(state.trials) if until is None else until + 1
    prunings = PruningReplay(experiment)
    here, there = _comparable(fingerprint()), _comparable(state.created.fingerprint)
    machines: dict[str, Any] = {}  # of the drivers that told theirs, with their first decision
    derived = given = approximate = pruned = 0
    for tid in range(count):
        decision = state.trials[tid].queued
        if decision is None or not all(isinstance(value, (int, float)) for value in decision.point.values()):
            raise VerificationFailed(
                f"experiment {experiment.name!r}: the decision of trial {tid} cannot be read",
                hint=f"see `hstore verify {experiment.name}`", exp=experiment.name, tid=tid,
            )  # fmt: skip
        known.observe(experiment, decision.observed)
        if decision.fingerprint is not None:
            machines[decision.by] = _comparable(decision.fingerprint)
        if decision.source != "suggested":
            given += 1
        else:
            assert decision.algorithm is not None
            if why := why_unknown(decision.algorithm) or _why_unknown(decision.algorithm):
                skipped.append((tid, f"chosen by {why}"))
            else:
                is_exact = _is_portable(decision.algorithm) or machines.get(decision.by, there) == here
                differences.extend(_compare(tid, decision, space, seeds[known.suggested], known, is_exact))
                derived += 1
                approximate += not is_exact
        known.add(decision)
        for event in state.trials[tid].reports:
            if event.pruning is None:
                continue
            if why := why_skipped(event):
                skipped.append((tid, f"stopped early by {why}"))
                continue
            pruned += 1
            if why := prunings.why_unlike(event):
                differences.append(Difference(tid=tid, label="(pruned)", recorded=event.step, derived=why))
        on_progress(1)
    return Replay(
        exp=experiment.name, trials=count, suggested=derived, approximate=approximate, given=given, pruned=pruned,
        skipped=tuple(skipped), differences=tuple(differences),
        head=experiment.digest(count - 1, 0) if count else experiment.digest(None, 0),
    )  # fmt: skip


def _compare(
    tid: int, decision: Queued, space: Space, seed: int, known: ObservedHistory, is_exact: bool
) -> list[Difference]:
    assert decision.algorithm is not None
    algorithm = ALGORITHMS[decision.algorithm["name"]]
    history, seed_within = known.history, seed
    if (told := decision.algorithm.get("scalarised")) is not None:
        history, seed_within = scalarise.scalarise(history, told.split()[0], seed=seed)
    try:
        point = algorithm.choose(space, history, seed=seed_within, **decision.algorithm["settings"])
    except Exhausted:
        point = {}
    recorded: dict[str, Any] = {"(seed)": decision.seed, **decision.point}
    derived: dict[str, Any] = {"(seed)": seed, **point}
    return [
        Difference(
            tid=tid, label=label, recorded=recorded.get(label), derived=derived.get(label), is_explained=not is_exact
        )
        for label in dict.fromkeys((*recorded, *derived))
        if _bits(recorded.get(label)) != _bits(derived.get(label))
        and (is_exact or not _is_close(space, label, recorded.get(label), derived.get(label)))
    ]


def _is_portable(described: Mapping[str, Any]) -> bool:
    return ALGORITHMS[described["name"]].is_portable_with(described["settings"])


def _is_close(space: Space, label: str, recorded: Any, derived: Any) -> bool:
    if label not in space or not isinstance(recorded, float) or not isinstance(derived, float):
        return False
    one, other = (encoding(space).entry(label, value) for value in (recorded, derived))
    return abs(one - other) <= TOLERANCE


def _comparable(recorded: Any) -> dict[str, Any]:
    return {name: value for name, value in (recorded or {}).items() if name not in _IS_NO_MATTER}


def _why_unknown(described: Mapping[str, Any]) -> str | None:
    told = described.get("scalarised")
    known = [scalarise.describe(how) for how in get_args(scalarise.How)]
    if told is None or told in known:
        return None
    return f"{described['name']} with scalarisation {told}, this hstore has {', '.join(known)}"


def _bits(value: Any) -> Any:
    """Return what tells *value* from all others: of a float its bits, so that -0.0 is not 0.0 and NaN is itself."""
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)
