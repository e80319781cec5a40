"""Experiments that a worker serves: which are open, what their objectives are, and which are skipped."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from hstore.engine.evaluation import objective_spec
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.store.errors import CannotLoad, HstoreError, NotSigned
from hstore.store.experiment import Experiment
from hstore.store.indigestible import refusal
from hstore.store.store import Store


class ServedExperiments:
    """The open experiments among *wanted* (none: all) whose objectives can be loaded. For all threads (*gate*).

    objective: pkg.mod:name of what is called instead of the objectives that the experiments name. force: also those
    whose logs were changed.
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
        """Why the objective of an experiment could not be loaded, by experiment."""
        self.missing: set[str] = set()
        """Those of *wanted* that do not exist yet."""
        self._objective = objective
        self._force = force
        self._gate = gate
        self._skipped_keys: dict[str, str] = {}
        self._told: dict[str, tuple[str, str]] = {}
        self._specs: dict[str, ObjectiveSpec] = {}

    def find_missing(self) -> list[str]:
        """Look which of the experiments that are wanted do not exist; return them."""
        known = set(self.store.experiments())
        self.missing = {name for name in self.wanted if name not in known}
        return [name for name in self.wanted if name in self.missing]

    def refresh(self) -> tuple[list[str], bool]:
        """Read which experiments are open; return them, wanted or not, and whether there are more to serve than before.

        One that was skipped is looked at again once its objective has changed, or may have been signed.
        """
        if self.missing:
            self.find_missing()
        found = self.store.models.open_experiments()
        names = [name for name in found if not self.wanted or name in self.wanted]
        for name in [name for name in names if name in self.skipped]:
            if self._is_as_it_was(name):
                names.remove(name)
            else:
                del self.skipped[name]
        with self._gate:
            has_more = bool(set(names) - set(self.names))
            self.names = names
        return found, has_more

    def _is_as_it_was(self, name: str) -> bool:
        """Return whether experiment *name*, which is skipped, still has what it is skipped for."""
        experiment = Experiment(self.store, name, only=())
        try:
            experiment.refresh()
        except Exception as error:
            if refusal(name, error) is None:
                raise
            return True
        return self._skipped_keys[name] in (key_of(experiment), _key_until_signed(experiment))

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
        """Skip *experiment* until its objective changes, or its own chain goes on; return whether that is new."""
        name, why = experiment.name, f"{error} ({error.hint})" if error.hint else str(error)
        is_objective = isinstance(error, CannotLoad) and not isinstance(error, NotSigned)
        key = key_of(experiment) if is_objective else _key_until_signed(experiment)
        with self._gate:
            is_new = self._told.get(name) != (key if is_objective else "", why) or (
                is_objective and name not in self.skipped
            )
            self._told[name] = key if is_objective else "", why
            self.skipped[name] = why
            self._skipped_keys[name] = key
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
