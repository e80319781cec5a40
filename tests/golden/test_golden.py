"""What a released version wrote, every later version reads, verifies, replays and continues.

The files beside this one are whole logs of real searches, written by `make.py` with the version that their folder is
named after. They are never written again.
"""

import functools
import gzip
import warnings
from pathlib import Path
from typing import Any

import pytest
from bson.json_util import CANONICAL_JSON_OPTIONS, loads
from golden_searches import LARGE, SEARCHES
from make import COLLECTIONS, summary

from hstore import Experiment, Store, fmin
from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.search.fingerprint import fingerprint
from hstore.store.verify import verify

FILES = sorted(Path(__file__).parent.glob("*/*.json.gz"))
MOST_BYTES = 200_000
CONTINUED_AT_LENGTH = (
    "workers-auto",
    "workers-tpe",
    "losses-auto",
    "corner-auto",
    "serial-auto",
    "serial-gp",
    "serial-mtpe",
    "serial-cmaes",
    "corner-qmc",
    "serial-qmc",
)
"""Logs beside which a shorter one is continued that is like it."""


@functools.cache
def read(path: Path) -> dict[str, Any]:
    """Return what is in the file at *path*."""
    text = gzip.decompress(path.read_bytes()).decode()
    return loads(text, json_options=CANONICAL_JSON_OPTIONS)  # type: ignore[no-any-return]


def load(path: Path, store: Store) -> Experiment:
    """Put the documents at *path* into *store*, as they were, and return the experiment."""
    assert store.database is not None
    for collection in COLLECTIONS:
        if documents := read(path)[collection]:
            store.database[collection].insert_many(documents)
    return store.experiment(read(path)["search"])


def in_memory(experiment: Experiment) -> Experiment:
    """Return *experiment* with its attachments in a store in memory."""
    store = Store.in_memory()
    assert experiment.store.database is not None
    for file in experiment.store.database["attachments.files"].find():
        store.attachments.put(experiment.store.attachments.get(bytes.fromhex(file["filename"])))
    store.log.append(experiment.events)
    return store.experiment(experiment.name)


def differing(recorded: Any, found: Any, path: str = "") -> list[str]:
    """Return where two plain values differ; NaN equals itself, and what today's version has beside does not count."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        return [line for key, value in recorded.items() for line in differing(value, found.get(key), f"{path}.{key}")]
    if isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        pairs = enumerate(zip(recorded, found, strict=True))
        return [line for k, (one, other) in pairs for line in differing(one, other, f"{path}[{k}]")]
    is_same = recorded == found or (recorded != recorded and found != found)
    return [] if is_same else [f"{path}: {recorded!r} became {found!r}"]


every_file = pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.name[:-8]}" for path in FILES])


def test_every_released_version_left_a_file_of_every_search_it_had() -> None:
    assert {path.name.removesuffix(".json.gz") for path in FILES if path.parent.name == "0.1"} == set(SEARCHES)
    assert all(path.stat().st_size < MOST_BYTES for path in FILES)


@every_file
def test_it_is_read_as_the_version_that_wrote_it_read_it(path: Path, mongo_store: Store) -> None:
    recorded = {key: value for key, value in read(path)["summary"].items() if key != "version"}
    experiment = load(path, mongo_store)
    assert differing(recorded, summary(experiment)) == []
    assert differing(recorded, summary(in_memory(experiment))) == []


@every_file
def test_it_verifies(path: Path, mongo_store: Store) -> None:
    experiment = load(path, mongo_store)
    for each in (experiment, in_memory(experiment)):
        report = verify(each.documents())
        assert (report.findings, report.decision_digest.hex()) == ((), read(path)["summary"]["head"])


@every_file
def test_its_decisions_are_made_again(path: Path, mongo_store: Store) -> None:
    experiment = load(path, mongo_store)
    came = derive_again(experiment)
    decisions = [trial.queued for trial in experiment.trials if trial.queued is not None]
    suggested = [decision for decision in decisions if decision.source == "suggested"]
    assert (came.skipped, came.differences) == ((), ())  # versions of algorithms have risen since, and none is skipped
    assert (came.trials, came.suggested) == (len(decisions), len(suggested))
    assert came.given == len(decisions) - len(suggested)
    assert came.pruned == sum(report.pruning is not None for trial in experiment.trials for report in trial.reports)
    names = {decision.algorithm["name"] for decision in suggested if decision.algorithm}
    is_portable = all(ALGORITHMS[name].is_portable for name in names)
    made_by = next(decision.fingerprint for decision in decisions if decision.fingerprint is not None)
    ours = {key: value for key, value in fingerprint().items() if key not in ("hstore", "python")}
    if is_portable or ours == {key: made_by[key] for key in ours}:
        assert (came.approximate, came.equivalent, came.machines) == (0, 0, ())
    else:
        assert came.approximate == came.suggested
        assert came.machines


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path, id=f"{path.parent.name}-{path.name[:-8]}",
            marks=pytest.mark.long if path.name[:-8] in CONTINUED_AT_LENGTH else (),
        )
        for path in FILES
    ],
)  # fmt: skip
def test_it_is_continued(path: Path, mongo_store: Store) -> None:
    experiment = load(path, mongo_store)
    assert mongo_store.models is not None
    mongo_store.models.rebuild(experiment.state)  # a store of that version had them
    kept = in_memory(experiment)
    continue_it(experiment)
    assert check(mongo_store, experiment.name) == []
    is_slow = SEARCHES[experiment.name].algo == "auto"  # of which the log in MongoDB is enough
    if "workers" not in SEARCHES[experiment.name].arguments and not is_slow:  # workers share nothing in memory
        continue_it(kept)


def continue_it(experiment: Experiment) -> None:
    """Search for three more trials, and look at what became of the log."""
    search, n = SEARCHES[experiment.name], len(experiment.trials)
    before = {event.id for event in experiment.events}
    uncounted = len(search.arguments.get("points_to_evaluate", ()))  # which come on top of max_evals
    if not experiment.store.is_durable:  # in memory failed trials do so as well, as in hyperopt
        uncounted += experiment.state.counts.get("failed", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fmin(
            search.fn, search.space, algo=search.algo, max_evals=n + 3 - uncounted, experiment=experiment.name,
            store=experiment.store, verbose=False, **search.arguments,
        )  # fmt: skip
    experiment.refresh()
    assert len(experiment.trials) == n + 3
    assert all(trial.is_finished for trial in experiment.trials)
    assert before < {event.id for event in experiment.events}
    if not experiment.store.is_durable:  # of one in MongoDB `check` does both
        assert verify(experiment.documents()).findings == ()
        assert derive_again(experiment).is_same


def test_attachments_are_there_in_one_chunk_or_several(mongo_store: Store) -> None:
    path = next(path for path in FILES if path.name == "attachments.json.gz")
    experiment = load(path, mongo_store)
    files = {file["filename"] for file in read(path)["attachments.files"]}
    contents = [experiment.store.attachments.get(bytes.fromhex(name)) for name in files]
    assert sorted(map(len, contents))[-1] == LARGE
    assert any(content.startswith(b"x is ") for content in contents)
