"""A child process that tests have call one objective after another."""

from collections.abc import Callable
from typing import Any

import psutil
from tests.waiting import GENEROUS

from hstore import hp
from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.space import Space
from hstore.engine.space.expressions import as_apply
from hstore.store.attachments import MemoryAttachments
from hstore.workers.child import Child
from hstore.workers.trial_executor import CallResult

Objective = Callable[..., Any]


def recipe_of(fn: Objective, space: Any = None) -> ObjectiveSpec:
    """Return the recipe of *fn* as a worker elsewhere finds it in the log."""
    attachments = MemoryAttachments()
    domain = Domain(fn, Space(as_apply({"x": hp.uniform("x", -5, 5)} if space is None else space)))
    return objective_spec.fetch(objective_spec.record(domain, attachments), domain.space.to_data(), attachments)


def answer_nothing(name: str, *arguments: Any) -> Any:
    raise AssertionError(f"the objective asked for {name}{arguments}")


class Bench:
    """A child and a number for each objective that it is given."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.count = 0

    def call(
        self, fn: Objective, *, x: Any = 2.0, serve: Callable[..., Any] = answer_nothing,
        time_limit: float | None = GENEROUS, space: Any = None,
    ) -> CallResult:  # fmt: skip
        """Have the child call *fn*; a test that would never end fails with a time limit."""
        self.count += 1
        key = str(self.count)
        self.child.load(key, recipe_of(fn, space))
        job = {"exp": "e", "tid": self.count, "attempt": 1, "point": {"x": x}, "uri": ""}
        return self.child.evaluate(key, job, serve=serve, time_limit=time_limit)

    def is_well(self) -> bool:
        return self.call(lambda config: config["x"]).kind == "done"


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
