"""Experiments that a worker serves: which are open, what their objectives are, and which are skipped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from hstore.engine.evaluation import objective_spec
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.store.errors import CannotLoad, HstoreError, NotSigned, Tampered
from hstore.store.experiment import Experiment
from hstore.store.indigestible import refusal
from hstore.store.store import Store

KeyOf: TypeAlias = Callable[[Experiment], str]
"""Returns what tells an experiment as it is from what it may become."""


class ServedExperiments:
    """The open experiments among *wanted* whose objectives can be loaded. For all threads (*gate*).

    Without *wanted* all but those that are archived. objective: pkg.mod:name of what is called instead of the
    objectives that the experiments name. force: also those whose logs were changed.
    """

    def __init__(
        self,
        store: Store,
        wanted: Sequence[str],
        gate: threading.Condition,
        *,
        objective: str | None,
        force: bool = False,
    ) -> None:
        self.store = store
        self.wanted = wanted
        self.names: list[str] = []
        """Those to take trials of now."""
        self.skipped: dict[str, str] = {}
        """Why an experiment is not served, by experiment."""
        self.evaluated_elsewhere: list[str] = []
        """Open ones that are skipped for their objective alone: a program that has it may evaluate their trials."""
        self.missing: set[str] = set()
        """Those of *wanted* that do not exist yet."""
        self._objective = objective
        self._force = force
        self._gate = gate
        self._skipped_keys: dict[str, tuple[KeyOf, str | None]] = {}
        """Of each that is skipped: what it is skipped for, and how to see whether that has changed."""
        self._reasons: dict[str, tuple[str, str]] = {}
        self._specs: dict[str, ObjectiveSpec] = {}

    def find_missing(self) -> list[str]:
        """Look which of the experiments that are wanted do not exist; return them."""
        known = set(self.store.experiments())
        self.missing = {name for name in self.wanted if name not in known}
        return [name for name in self.wanted if name in self.missing]

    def refresh(self) -> tuple[list[str], bool]:
        """Read which experiments are open; return them, wanted or not, and whether there are more to serve than before.

        One that was skipped is looked at again once its objective has changed, or may have been signed, or what was
        changed in its log may have been mended.
        """
        if self.missing:
            self.find_missing()
        found = self.store.models.open_experiments()
        hidden = set() if self.wanted else self.store.models.archived()
        names = [name for name in found if (not self.wanted or name in self.wanted) and name not in hidden]
        elsewhere = []
        for name in [name for name in names if name in self.skipped]:
            if self._is_as_it_was(name):
                names.remove(name)
                elsewhere += [name] if self._skipped_keys[name][0] is key_of else []
            else:
                del self.skipped[name]
        self.evaluated_elsewhere = elsewhere
        with self._gate:
            has_more = bool(set(names) - set(self.names))
            self.names = names
        return found, has_more

    def _is_as_it_was(self, name: str) -> bool:
        """Return whether experiment *name*, which is skipped, still has what it is skipped for."""
        read, key = self._skipped_keys[name]
        now = self._read_key(read, name)
        return now is None or now == key

    def _read_key(self, read: KeyOf, name: str) -> str | None:
        """Return what *read* returns of experiment *name* as it is stored; None if it cannot be read."""
        experiment = Experiment(self.store, name, only=())
        try:
            experiment.refresh()
            return read(experiment)
        except Exception as error:
            if refusal(name, error) is None:
                raise
            return None

    def spec(self, experiment: Experiment) -> tuple[str, ObjectiveSpec]:
        """See `WorkerContext.spec`."""
        objective, created = experiment.state.objective, experiment.state.created
        assert created is not None
        experiment.check_signatures()
        if not self._force:
            experiment.check_links()
        key = key_of(experiment)
        with self._gate:
            if (known := self._specs.get(key)) is not None:
                return key, known
        if self._objective is not None:
            objective = {name: value for name, value in objective.items() if name != "pickle"}
        spec = objective_spec.fetch(objective, created.space, self.store.attachments)
        if self._objective is not None:
            spec = objective_spec.named(self._objective, spec)
        with self._gate:
            self._specs[key] = spec
        return key, spec

    def skip(self, experiment: Experiment, error: HstoreError) -> bool:
        """Skip *experiment* until what *error* is about may have changed; return whether that is new.

        That is its objective, the chain in which an event was changed, or the experiment's own chain.
        """
        name, why = experiment.name, f"{error} ({error.hint})" if error.hint else str(error)
        is_objective = isinstance(error, CannotLoad) and not isinstance(error, NotSigned)
        read: KeyOf = key_of if is_objective else _key_until_signed
        if isinstance(error, Tampered):
            read = partial(_key_of_chain, error.tid)
        key = self._read_key(read, name) if isinstance(error, Tampered) else read(experiment)
        with self._gate:
            reason = (key or "") if is_objective else "", why
            is_new = self._reasons.get(name) != reason or (is_objective and name not in self.skipped)
            self._reasons[name] = reason
            self.skipped[name] = why
            self._skipped_keys[name] = read, key
            self.names = [each for each in self.names if each != name]
        return is_new


def key_of(experiment: Experiment) -> str:
    """Return what tells the objective of *experiment* from all others."""
    objective = experiment.state.objective
    pickle = objective.get("pickle")
    content = pickle.get("sha256") if isinstance(pickle, Mapping) else pickle
    sha256 = content.hex() if isinstance(content, bytes) else content or ""
    key = f"{experiment.name} {objective.get('ref')} {objective.get('version')} {sha256}"
    return f"{key} {files}" if (files := objective.get("files")) else key


def _key_until_signed(experiment: Experiment) -> str:
    """Return what is another one after `hstore sign`, which adds to the experiment's own chain."""
    return f"{key_of(experiment)} {experiment.state.ver}"


def _key_of_chain(tid: int | None, experiment: Experiment) -> str:
    """Return what is another one once the experiment's own chain, or that of trial *tid*, is no longer as it is now."""
    known = {None} if tid is None or experiment.load_trial(tid) is None else {None, tid}
    digests = [experiment.digest(each, len(experiment.chain(each)) - 1).hex() for each in known]
    return f"{key_of(experiment)} {sorted(digests)} {sorted(each.key for each in experiment.set_aside)}"
