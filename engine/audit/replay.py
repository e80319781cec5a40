"""Replay: derive every suggestion of an experiment again from what it knew, and compare.

Bits are compared wherever they are guaranteed: for portable algorithms everywhere, for the others on a machine with
the fingerprint of the one that chose. Elsewhere their linear algebra rounds differently, and a decision has one of
three outcomes. It is the *same* if each number is within `TOLERANCE` of its label's range. It is *equivalent* if the
algorithm would have taken the recorded point but for rounding: it is worth as much as the best point found here, within
`LEAST_WORTH`. Else it is *different*, and only that is a failure.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hstore.engine.algorithms import Exhausted, choose_recorded, recorded_algorithm, recorded_shortfall, why_unknown
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.scalarise import why_unknown_scalarisation
from hstore.engine.evaluation.pruning import PruningReplay, why_skipped
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.search.observed_history import ObservedHistory
from hstore.engine.search.seeds import Seeds
from hstore.engine.space import Point, Space
from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.events import Changed, Created, Queued, Reported
from hstore.store.experiment import Experiment

TOLERANCE = 1e-3
"""How far apart two numbers of a label may be, as a part of its range, where bits cannot be compared."""
LEAST_WORTH = 1e-3
"""How much less the recorded point may be worth than the best one, beyond what rounding explains, to be equivalent: a
part of the expected improvement. See `Decision.shortfall`; `python -m bench forged` measures what it lets through."""
_IRRELEVANT = ("hstore", "python")  # of a fingerprint: neither changes what numpy, scipy and BLAS compute


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A decision that does not follow from what it knew: label by label what is recorded and what is derived."""

    tid: int
    label: str
    recorded: Any
    derived: Any
    is_explained: bool = False
    """Whether the decision was made on another kind of machine by an algorithm that is not portable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The result of deriving an experiment's suggestions again."""

    exp: str
    trials: int
    """Decisions looked at."""
    suggested: int
    """Those that an algorithm made and that were derived again."""
    approximate: int
    """Those among them that were made on another kind of machine by an algorithm that is not portable: not compared
    bit for bit."""
    equivalent: int
    """Those among these whose points are others than here, but worth as much."""
    given: int
    """Those that a person gave, or that were imported: nothing to derive."""
    pruned: int
    """Decisions to stop a trial early that were derived again."""
    skipped: tuple[tuple[int, str], ...]
    """(tid, why) of those that this program cannot derive."""
    differences: tuple[Difference, ...]
    """Label by label, of the decisions that are different."""
    machines: tuple[str, ...]
    """How the machines of *approximate* decisions differ from this one: "numpy 1.26.4, here 2.4.6"."""
    decision_digest: bytes

    @property
    def is_same(self) -> bool:
        """Whether every decision that could be derived again came out the same: to the bit, but for *approximate*."""
        return not self.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class _Derivation:
    """One recorded decision that was looked at."""

    tid: int
    of: Literal["point", "pruning"]
    how: Literal["exact", "approximate", "given", "skipped"]
    """exact: made again, and bits were compared. approximate: made again, and compared as on another kind of machine.
    given: there is nothing to make again. skipped: this program cannot make it again."""
    why_skipped: str = ""
    differences: tuple[Difference, ...] = ()
    is_equivalent: bool = False
    """Whether another point is recorded than is derived, and it is worth as much."""


def derive_again(
    experiment: Experiment, *, until: int | None = None, on_progress: Callable[[int], object] = lambda _: None
) -> Replay:
    """Fold the decisions of *experiment* one by one, suggest again what each chose, and compare.

    Decisions to stop a trial early are made again as well, each from what it had seen.

    until: the last trial to look at; all without it. on_progress is called with 1 after each decision.
    Raises `NotFound` for an experiment whose log has no `created` event or no trial *until*, `VerificationFailed` for a
    decision that cannot be read: nothing after it can be derived; `NotSigned` as `Experiment.check_signatures` does.
    """
    experiment.check_signatures()
    created = begun(experiment, until)
    suggestions, prunings = Suggestions(experiment, created), PruningReplay(experiment)
    n = len(experiment.state.trials) if until is None else until + 1
    tally = _Tally()
    for tid in range(n):
        tally.add(suggestions.derive(tid))
        for derivation in _derive_prunings(prunings, tid, experiment.state.trials[tid].reports):
            tally.add(derivation)
        on_progress(1)
    return _report(experiment, n, tally, suggestions.machines)


def begun(experiment: Experiment, until: int | None) -> Created:
    """Return the beginning of *experiment*; raises `NotFound` without one, or without a trial *until*."""
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
    return state.created


class _Tally:
    """Of decisions that were looked at their numbers, and what is said of single ones."""

    def __init__(self) -> None:
        self.count: Counter[tuple[str, str]] = Counter()
        self.equivalent = 0
        self.skipped: list[tuple[int, str]] = []
        self.differences: list[Difference] = []

    def add(self, derivation: _Derivation) -> None:
        """Count one."""
        self.count[derivation.of, derivation.how] += 1
        self.equivalent += derivation.is_equivalent
        self.differences += derivation.differences
        if derivation.how == "skipped":
            self.skipped.append((derivation.tid, derivation.why_skipped))


def _report(experiment: Experiment, n: int, tally: _Tally, machines: Iterable[str]) -> Replay:
    """Return the report on the first *n* trials."""
    count = tally.count
    return Replay(
        exp=experiment.name,
        trials=n,
        suggested=count["point", "exact"] + count["point", "approximate"],
        approximate=count["point", "approximate"],
        equivalent=tally.equivalent,
        given=count["point", "given"],
        pruned=count["pruning", "exact"],
        skipped=tuple(tally.skipped),
        differences=tuple(tally.differences),
        machines=tuple(machines),
        decision_digest=experiment.digest(n - 1, 0) if n else experiment.digest(None, 0),
    )


class Suggestions:
    """Makes the suggestions of an experiment again, in the order of their trials."""

    def __init__(self, experiment: Experiment, created: Created) -> None:
        self._experiment = experiment
        self.space = Space.from_data(created.space)
        self._seeds = Seeds(created.generator)
        self.known = ObservedHistory(self.space, self._seeds)
        self._here, self._there = fingerprint(), created.fingerprint
        self._read = 0
        """Up to which event of the experiment's own chain changes of the space are known."""
        self._drivers: dict[str, Any] = {}
        """The fingerprints of drivers that recorded theirs with their first decision, by the driver's name."""
        self.machines: dict[str, None] = {}
        """How the machines whose bits cannot be compared differ from this one, in the order in which they decided."""

    def derive(self, tid: int) -> _Derivation:
        """Make the decision of trial *tid* again and compare; the trials before it must have been derived first."""
        if (decision := self.reach(tid)) is None:
            return _Derivation(tid=tid, of="point", how="skipped", why_skipped="quarantined")
        derivation = self._derive(tid, decision)
        self.known.add(decision)
        return derivation

    def reach(self, tid: int) -> Queued | None:
        """Know what the decision of trial *tid* knew; return it, for `known.add`, or None if the number is no trial."""
        if self._experiment.state.trials[tid].is_none:
            self.known.skip()
            return None
        decision = self._decision(tid)
        self.known.observe(self._experiment, decision.observed)
        self._follow_space(decision)
        if decision.fingerprint is not None:
            self._drivers[decision.by] = decision.fingerprint
        return decision

    def _follow_space(self, decision: Queued) -> None:
        """Go on with the space that the search had when *decision* was made; in memory that may change."""
        for tid, ver, _ in decision.observed:
            if tid is None:
                changes = (event for event in self._experiment.chain(None)[self._read : ver + 1])
                spaces = [event.space for event in changes if isinstance(event, Changed) and event.space is not None]
                self._read = max(self._read, ver + 1)
                if spaces:
                    self.space = Space.from_data(spaces[-1])
                    self.known.change_space(self._experiment, self.space)

    def _decision(self, tid: int) -> Queued:
        decision = self._experiment.state.trials[tid].queued
        if decision is None or not all(isinstance(value, (int, float)) for value in decision.point.values()):
            raise VerificationFailed(
                f"experiment {self._experiment.name!r}: the decision of trial {tid} cannot be read",
                hint=f"see `hstore verify {self._experiment.name}`", exp=self._experiment.name, tid=tid,
            )  # fmt: skip
        return decision

    def _derive(self, tid: int, decision: Queued) -> _Derivation:
        if decision.source != "suggested":
            return _Derivation(tid=tid, of="point", how="given")
        if decision.algorithm is None:  # another program need not say what chose it
            return _Derivation(tid=tid, of="point", how="skipped", why_skipped="given by someone else")
        if why := why_unknown(decision.algorithm) or why_unknown_scalarisation(decision.algorithm):
            return _Derivation(tid=tid, of="point", how="skipped", why_skipped=f"chosen by {why}")
        made_on = self._drivers.get(decision.by, self._there)
        if _is_portable(decision.algorithm) or _comparable(made_on) == _comparable(self._here):
            differences = self._compare(tid, decision, decision.algorithm, is_exact=True)
            return _Derivation(tid=tid, of="point", how="exact", differences=differences)
        self.machines.update(dict.fromkeys(_unlike(made_on, self._here)))
        differences = self._compare(tid, decision, decision.algorithm, is_exact=False)
        is_equivalent = bool(differences) and self._is_worth_as_much(decision, decision.algorithm)
        return _Derivation(
            tid=tid, of="point", how="approximate", differences=() if is_equivalent else differences,
            is_equivalent=is_equivalent,
        )  # fmt: skip

    def _compare(
        self, tid: int, decision: Queued, algorithm: Mapping[str, Any], is_exact: bool
    ) -> tuple[Difference, ...]:
        """Choose again what *decision* chose, and compare label by label; the seed is compared as one of them."""
        seed = self._seeds[self.known.suggested]
        recorded: dict[str, Any] = {"(seed)": decision.seed, **decision.point}
        derived: dict[str, Any] = {"(seed)": seed, **self._choose(algorithm, seed)}
        pairs = ((label, recorded.get(label), derived.get(label)) for label in dict.fromkeys((*recorded, *derived)))
        return tuple(
            Difference(tid=tid, label=label, recorded=one, derived=other, is_explained=not is_exact)
            for label, one, other in pairs
            if _bits(one) != _bits(other) and (is_exact or not _is_close(self.space, label, one, other))
        )

    def _is_worth_as_much(self, decision: Queued, algorithm: Mapping[str, Any]) -> bool:
        """Return whether the algorithm would have taken the point of *decision* but for rounding."""
        seed = self._seeds[self.known.suggested]
        if decision.seed != seed:
            return False
        shortfall = recorded_shortfall(
            recorded_algorithm(algorithm), self.space, self.known.history, dict(decision.point),
            seed=seed, settings=algorithm["settings"], recorded=algorithm,
        )  # fmt: skip
        return shortfall is not None and shortfall <= LEAST_WORTH

    def _choose(self, algorithm: Mapping[str, Any], seed: int) -> Point:
        try:
            chosen = choose_recorded(
                recorded_algorithm(algorithm), self.space, self.known.history,
                seed=seed, settings=algorithm["settings"], recorded=algorithm,
            )  # fmt: skip
        except Exhausted:
            return {}
        return chosen.points[0]


def _derive_prunings(prunings: PruningReplay, tid: int, reports: Iterable[Reported]) -> Iterator[_Derivation]:
    """Make the decisions to stop trial *tid* again that its *reports* record."""
    for event in reports:
        if event.pruning is None:
            continue
        if why := why_skipped(event):
            yield _Derivation(tid=tid, of="pruning", how="skipped", why_skipped=f"stopped early by {why}")
            continue
        why = prunings.why_unlike(event)
        differences = (Difference(tid=tid, label="(pruned)", recorded=event.step, derived=why),) if why else ()
        yield _Derivation(tid=tid, of="pruning", how="exact", differences=differences)


def _is_portable(described: Mapping[str, Any]) -> bool:
    return recorded_algorithm(described).is_portable_with(described["settings"])


def _is_close(space: Space, label: str, recorded: Any, derived: Any) -> bool:
    if label not in space or not isinstance(recorded, float) or not isinstance(derived, float):
        return False
    one, other = (encoding(space).entry(label, value) for value in (recorded, derived))
    return abs(one - other) <= TOLERANCE


def _comparable(recorded: Any) -> dict[str, Any]:
    return {name: value for name, value in (recorded or {}).items() if name not in _IRRELEVANT}


def _unlike(there: Any, here: Mapping[str, Any]) -> Iterator[str]:
    """Yield in words in what the fingerprint *there* differs from that of this machine, *here*."""
    if not isinstance(there, Mapping):
        yield "the machine is not recorded"
        return
    for name, mine in here.items():
        theirs = there.get(name)
        if theirs == mine:
            continue
        if name == "cpu":
            yield from _unlike_cpu(theirs or (), mine)
        elif name == "battery":
            yield "BLAS or the processor rounds differently"
        elif name == "disabled":
            yield f"numpy without the CPU features {theirs or 'none'!r}, here {mine or 'none'!r}"
        else:
            yield f"{name} {theirs}, here {mine}"


def _unlike_cpu(theirs: Collection[str], mine: Collection[str]) -> Iterator[str]:
    only = (("only there", sorted(set(theirs) - set(mine))), ("only here", sorted(set(mine) - set(theirs))))
    for where, names in only:
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            yield f"CPU features {where}: {', '.join(names[:4])}{more}"


def _bits(value: Any) -> Any:
    """Return a key by which *value* is compared: a float by its bits, so -0.0 differs from 0.0 and NaN equals NaN."""
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)
