"""A search whose trials are jobs of Hydra: its override grammar is the space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hstore.engine.ask_tell import search
from hstore.engine.space import hp, natural_bounds
from hstore.store.errors import InvalidLoss, InvalidResult, InvalidValue
from hstore.store.fold import Trial
from hstore.store.messages import Log

LOG = Log("hydra")

Launch = Callable[[list[list[str]], int], Sequence[Any]]
"""Runs one job for each list of overrides, the first under this number; returns Hydra's `JobReturn` of each."""


@dataclass(frozen=True)
class OverrideSpace:
    """What a command line of Hydra says: what is searched, and what is the same in each job."""

    fixed: list[str]
    space: dict[str, Any]
    keys: dict[str, str] = field(default_factory=dict)
    """The key of each label: it may begin with `+`."""

    def overrides(self, params: dict[str, Any]) -> list[str]:
        """Return the overrides of a job with *params*."""
        return [*self.fixed, *(f"{self.keys[label]}={value}" for label, value in params.items())]


def override_space(overrides: Iterable[Any]) -> OverrideSpace:
    """Return the space of parsed *overrides* (Hydra's `Override`); raises `InvalidValue` for what cannot be searched.

    `a,b` and `choice(a,b)` choose, `range(1,8)` is a number in steps, `interval(0,1)` any number (a whole one, both
    ends included, for `int(interval(1,8))`), `tag(log, interval(1e-5,1))` drawn by its logarithm.
    """
    found = OverrideSpace([], {})
    for override in overrides:
        key = override.get_key_element()
        label = key.lstrip("+")
        if not override.is_sweep_override():
            found.fixed.append(override.input_line)
            continue
        found.keys[label] = key
        if override.is_range_sweep():
            found.space[label] = _range(label, override.value())
        elif override.is_discrete_sweep():
            found.space[label] = hp.choice(label, _options(override))
        elif override.is_interval_sweep():
            found.space[label] = _interval(label, override.value())
        else:
            raise InvalidValue(f"{override.input_line} cannot be searched", hint="use choice, range or interval")
    if not found.space:
        raise InvalidValue("no override is a range", hint="such as 'lr=interval(0,1)' or opt=adam,sgd")
    return found


def sweep(
    overrides: Iterable[Any],
    launch: Launch,
    *,
    experiment: str,
    store: str | None = None,
    max_evals: int,
    batch: int = 1,
    algo: str | None = None,
    seed: int | None = None,
) -> list[Trial]:
    """Search, with *batch* jobs launched at a time, until the experiment has *max_evals* trials; return the best.

    That is one trial, or the Pareto front of jobs that return several losses. What a job returns is its loss. One that
    raises has failed, and the search goes on. The same sweep again continues the experiment. Raises `InvalidLoss` for a
    job that returns no number, `AllTrialsFailed` if no trial has a loss.
    """
    space = override_space(overrides)
    with search(
        space.space, algo, experiment=experiment, store=store, max_evals=max_evals, rstate=seed,
        evaluated_by="Hydra's jobs",
    ) as opened:  # fmt: skip
        job = 0
        while asked := [trial for _ in range(batch) if (trial := opened.ask()) is not None]:
            for trial, done in zip(asked, launch([space.overrides(each.params) for each in asked], job), strict=True):
                try:
                    returned = done.return_value  # raises what the job raised
                except Exception as error:  # noqa: BLE001
                    opened.fail(trial, error)
                    continue
                try:
                    opened.tell(trial, returned)
                except (InvalidLoss, InvalidResult) as error:
                    opened.fail(trial, error)
                    raise
            job += len(asked)
        LOG.info(f"the sweep ends: {opened.why}", experiment=experiment)
        return opened.experiment.pareto or [opened.best]


def _options(override: Any) -> list[str]:
    """Return the options of *override*, each as the override of a job gives it.

    Hydra takes the quotes off what stands in `choice(…)`, so that `it's` could not be read again, and `"1"` is a
    number. Such an option is quoted anew.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Quote, QuotedString, Transformer
    from hydra.errors import HydraException

    parser = OverridesParser.create()

    def is_read_as(text: str, value: str) -> bool:
        try:
            return bool(parser.parse_override(f"key={text}").value() == value)
        except HydraException:
            return False

    def written(value: Any) -> str:
        text = str(Transformer.encode(value))
        if isinstance(value, str) and not is_read_as(text, value):
            return str(QuotedString(text=value, quote=Quote.double).with_quotes())
        return text

    options = list(override.sweep_iterator(transformer=written))
    is_shuffled = getattr(override.value(), "shuffle", False)  # anew each time, and the same sweep is to go on
    return sorted(options) if is_shuffled else options


def _range(label: str, found: Any) -> Any:
    numbers = list(found.range())
    if found.step == 1 and all(isinstance(each, int) for each in numbers) and len(numbers) > 1:
        return natural_bounds.int(label, numbers[0], numbers[-1])
    return hp.choice(label, numbers)


def _interval(label: str, found: Any) -> Any:
    is_whole = isinstance(found.start, int) and isinstance(found.end, int)
    if "log" not in found.tags:
        draw = natural_bounds.int if is_whole else natural_bounds.float
        return draw(label, found.start, found.end)
    if is_whole:
        raise InvalidValue(f"{label}: whole numbers cannot be drawn by their logarithm", hint="leave out int or log")
    return natural_bounds.log(label, found.start, found.end)
