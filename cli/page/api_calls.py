"""The calls of the API, of which its routes, its document and its page are made: what each takes, does and answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hstore.cli.experiment_text import experiment_data
from hstore.cli.page import api_fields as field
from hstore.cli.page.api_fields import Field, Schema
from hstore.cli.page.trial_rows import IS_A_TRIAL, collection
from hstore.cli.trial_table import ranked_data
from hstore.cli.trial_text import trial_data
from hstore.engine.bridges.open_searches import LEASE_SECONDS, OpenSearches, tid_of
from hstore.store.values import MAX_NAME, check_name

if TYPE_CHECKING:
    from hstore.store.store import Store

MOST_TRIALS = 1000
"""Trials in one answer."""
LONGEST_LEASE = 30 * 24 * 3600.0
STATES = ("queued", "reserved", "running", "done", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: POST with a JSON object, or GET with a query."""

    method: str
    name: str
    """The last part of its address."""
    summary: str
    says: str
    fields: Sequence[Field]
    answer: Schema
    run: Callable[..., dict[str, Any]]
    """Takes the fields by name."""


EXPERIMENT = field.text("experiment", "The name of the experiment.", "net", longest=MAX_NAME, is_required=True)
TID = field.whole("tid", "The number of the trial.", 0, least=0, most=2**53 - 1, is_required=True)
TOKEN = field.text("token", "What `ask` said of the trial.", "0-b8dd79952da04fdfbee725fbe837b1b0", longest=200,
                   is_required=True)  # fmt: skip
ASK = (
    field.name("experiment", "The name of the experiment.", "net", is_required=True),
    field.ranges("space", "Begins the experiment if there is none of that name: a range by label.",
                 {"lr": "log(1e-5, 1)", "opt": "adam|sgd", "momentum": "float(0, 1) if opt=sgd"}),
    field.text("algo", "With a space: the algorithm by name; without, `auto`.", "tpe", longest=200),
    field.whole("max_evals", "With a space: the number of trials in all; without, no limit.", 100, least=1, most=10**9),
    field.whole("seed", "With a space: the seed, for a search that can be repeated.", 0, least=0, most=2**63 - 1),
    field.text("pruner", "With a space: stops hopeless trials by what they report: asha, auto, median, hyperband.",
               "median", longest=200),
    field.whole("objectives", "With a space: the number of losses of each trial; without, one.", 2, least=2,
                most=field.MOST_LOSSES),
    field.seconds("lease", "Seconds without a report after which the trial is queued again.", LEASE_SECONDS,
                  most=LONGEST_LEASE, default=LEASE_SECONDS),
)  # fmt: skip
REPORT = (
    EXPERIMENT, TOKEN,
    field.whole("step", "The step, such as the epoch.", 1, least=0, most=2**53 - 1, is_required=True),
    field.number("value", "The value there: smaller is better.", 0.42, is_required=True),
)  # fmt: skip
TELL = (
    EXPERIMENT, TOKEN,
    field.losses("loss", "The loss, or a list of several. A trial that was to stop needs none.", 0.31),
    field.anything("result", "What else to keep of the trial: constraints, loss_variance, fields of your own.",
                   {"epochs": 7}),
)  # fmt: skip
FAIL = (
    EXPERIMENT,
    TOKEN,
    field.text("error", 'A message, or "Kind: message".', "MemoryError: 24 GB", is_required=True),
)
GIVE_BACK = (
    EXPERIMENT, TOKEN, field.text("why", "Why, for the log.", "machine is needed", longest=500, default="given back"),
)  # fmt: skip
TRIALS = (
    EXPERIMENT,
    field.whole("first", "The tid to begin from.", 0, least=0, most=2**53 - 1, default=0),
    field.whole("limit", "How many to return at most.", 100, least=1, most=MOST_TRIALS, default=100),
    field.choice("state", "Only those in this state.", STATES),
)  # fmt: skip


def calls_of(store: Store, searches: OpenSearches) -> list[Call]:
    """Return the calls, on *store*."""
    reads = Reading(store)
    tid = {"type": "integer", "description": "The number of the trial."}
    counts = {"type": "boolean", "description": "False: it came late, or a second time, and is saved as a note."}
    trial = _object(
        tid=tid, token={"type": "string", "description": "Names the trial to report, tell, fail and give-back."},
        params={"type": "object", "description": "The value of each label that is active."},
    )  # fmt: skip
    why = {"type": ["string", "null"], "description": "Why there is none: max_evals, paused, exhausted, …"}

    def report(experiment: str, token: str, step: int, value: float) -> dict[str, Any]:
        should_stop = searches.report(experiment, token, step, value)
        return {"tid": tid_of(token), "should_stop": should_stop}

    def tell(experiment: str, token: str, loss: Any, result: Any) -> dict[str, Any]:
        is_counted = searches.tell(experiment, token, loss, result)
        return {"tid": tid_of(token), "counts": is_counted}

    def fail(experiment: str, token: str, error: str) -> dict[str, Any]:
        is_counted = searches.fail(experiment, token, error)
        return {"tid": tid_of(token), "counts": is_counted}

    def give_back(experiment: str, token: str, why: str) -> dict[str, Any]:
        is_counted = searches.give_back(experiment, token, why)
        return {"tid": tid_of(token), "counts": is_counted}

    return [
        Call(
            method="POST", name="ask", summary="Ask for the next trial", fields=ASK, run=searches.ask,
            says="Gives out a trial that is queued, else a new one. With a space the experiment is begun, if there is "
            "none of that name. `trial` is null when there is none: `why` says why. Ask again after a break if it is "
            "`paused`; otherwise the search is over.",
            answer=_object(trial={"anyOf": [trial, {"type": "null"}]}, why=why),
        ),
        Call(
            method="POST", name="report", summary="Report a value of a running trial", fields=REPORT, run=report,
            says="Records the value, such as the loss after an epoch, and lets the lease begin anew. If `should_stop`, "
            "the pruner stops the trial, or its result is not wanted any more: `tell` it without a loss.",
            answer=_object(tid=tid, should_stop={"type": "boolean", "description": "End the trial, and tell it."}),
        ),
        Call(
            method="POST", name="tell", summary="Tell the loss of a trial", fields=TELL, run=tell,
            says="Records the result. A trial that was queued again meanwhile keeps it as a note.",
            answer=_object(tid=tid, counts=counts),
        ),
        Call(
            method="POST", name="fail", summary="Say that a trial failed", fields=FAIL, run=fail,
            says="Records the failure: the trial ends without a loss.", answer=_object(tid=tid, counts=counts),
        ),
        Call(
            method="POST", name="give-back", summary="Queue a trial again", fields=GIVE_BACK, run=give_back,
            says="The trial was not evaluated: the next `ask` gets it.", answer=_object(tid=tid, counts=counts),
        ),
        Call(
            method="GET", name="experiments", summary="List the experiments", fields=(), run=reads.experiments,
            says="What `hstore ls --json` prints.", answer=_object(experiments=_list("name", "status")),
        ),
        Call(
            method="GET", name="experiment", summary="Show an experiment", fields=(EXPERIMENT,), run=reads.experiment,
            says="What `hstore show EXP --json` prints, without the trials: status, counts, limits, space, best trial.",
            answer=_any("name", "status", "counts", "space"),
        ),
        Call(
            method="GET", name="trials", summary="List the trials of an experiment", fields=TRIALS, run=reads.trials,
            says="By tid, as in the collection `trials`, which follows the log. `next` is the `first` of the answer "
            "behind this one, null at the end.",
            answer=_object(trials=_list("tid", "state"), next={"type": ["integer", "null"]}),
        ),
        Call(
            method="GET", name="trial", summary="Show a trial", fields=(EXPERIMENT, TID), run=reads.trial,
            says="What `hstore show EXP TID --json` prints, read from the log.", answer=_any("tid", "state", "events"),
        ),
    ]  # fmt: skip


class Reading:
    """What the calls that write nothing read from *store*; threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def experiments(self) -> dict[str, Any]:
        """Return all experiments."""
        return {"experiments": self._store.for_thread().overview()}

    def experiment(self, experiment: str) -> dict[str, Any]:
        """Return one experiment; raises `NotFound`."""
        return experiment_data(self._store.for_thread().summary(experiment))

    def trials(self, experiment: str, first: int, limit: int, state: str | None) -> dict[str, Any]:
        """Return *limit* trials from tid *first* on; raises `NotFound`."""
        store = self._store.for_thread()
        store.experiment(check_name(experiment), only=())
        assert store.database is not None
        wanted: dict[str, Any] = {"exp": experiment, **IS_A_TRIAL, "tid": {**IS_A_TRIAL["tid"], "$gte": first}}
        wanted |= {} if state is None else {"state": state}
        found = list(collection(store.database, "trials").find(wanted, {"_id": 0}).sort("tid", 1).limit(limit + 1))
        more = found[limit]["tid"] if len(found) > limit else None
        return {"trials": [document | ranked_data(document) for document in found[:limit]], "next": more}

    def trial(self, experiment: str, tid: int) -> dict[str, Any]:
        """Return one trial; raises `NotFound`."""
        found = self._store.for_thread().experiment(experiment, only=[tid])
        return trial_data(found, found.trial(tid))


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _any(*required: str) -> Schema:
    return {"type": "object", "required": [*required]}


def _list(*required: str) -> Schema:
    return {"type": "array", "items": _any(*required)}
