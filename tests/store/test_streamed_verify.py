"""What is said of a log as it is read is what is said of all of it; one with anything wrong is never called right."""

import random
from collections.abc import Callable
from typing import Any

from histories import begin, step
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore.store.events import Cancelled, Document, Queued
from hstore.store.log_chains import chains_of
from hstore.store.seals import seal
from hstore.store.signatures import look_at
from hstore.store.store import Store
from hstore.store.streamed_verify import Verified, verify_streamed
from hstore.store.verify import Report, verify_chains


def history(seed: int, n: int) -> tuple[Store, list[Document]]:
    """A store with a random history of *n* steps, and the documents of its log."""
    store, rng = Store.in_memory(), random.Random(seed)
    experiment = begin(store)
    for _ in range(n):
        if rng.random() < 0.05:
            seal(experiment)
        experiment.append(experiment.compose(*step(experiment, rng)))
    return store, list(store.log.documents("e"))


def streamed(store: Store, documents: list[Document], last: int = 2**62) -> Verified | None:
    return verify_streamed(documents, fetch=store.attachments.get, keys=store.keys, last=last)


def whole(store: Store, documents: list[Document]) -> Report:
    return verify_chains(chains_of(documents), fetch=store.attachments.get)


@given(st.integers(0, 2**32), st.integers(0, 60))
@settings(max_examples=examples(20))
def test_a_log_as_it_was_written_is_reported_as_by_verify(seed: int, n: int) -> None:
    store, documents = history(seed, n)
    found = streamed(store, documents)
    assert found is not None
    assert found.report == whole(store, documents)
    assert found.signatures == look_at(documents, None)


def _change(documents: list[Document], rng: random.Random) -> None:
    document = rng.choice(documents)
    document["data"] = {**document["data"], rng.choice(["worker", "why", "x"]): rng.random()}


def _strip(documents: list[Document], rng: random.Random) -> None:
    document = rng.choice(documents)
    name = rng.choice(["prev", "observed"])
    document["data"] = {key: value for key, value in document["data"].items() if key != name}


def _remove(documents: list[Document], rng: random.Random) -> None:
    documents.pop(rng.randrange(len(documents)))


def _renumber(documents: list[Document], rng: random.Random) -> None:
    document = rng.choice(documents)
    document[rng.choice(["ver", "tid"])] = rng.choice([-1, 0, 1, 2, "1", True, 1.5, None])
    documents.sort(key=lambda each: (repr(each.get("tid")), repr(each.get("ver"))))


def _contradict(documents: list[Document], rng: random.Random) -> None:
    document = rng.choice(documents)
    document["data"] = {**document["data"], "loss": 17.0}


def _break(documents: list[Document], rng: random.Random) -> None:
    rng.choice(documents).update(rng.choice([{"raw": b"x"}, {"data": None}, {"data": []}, {"by": 1}]))


DAMAGES: list[Callable[[list[Document], random.Random], Any]] = [
    _change, _strip, _remove, _renumber, _contradict, _break,
]  # fmt: skip


@given(st.integers(0, 2**32), st.integers(5, 40), st.sampled_from(DAMAGES))
@settings(max_examples=examples(40))
def test_a_log_with_anything_wrong_is_left_to_verify(
    seed: int, n: int, damage: Callable[[list[Document], random.Random], Any]
) -> None:
    store, documents = history(seed, n)
    documents = [dict(document) for document in documents]
    damage(documents, random.Random(seed + 1))
    if (found := streamed(store, documents)) is not None:
        assert found.report == whole(store, documents)
        assert not found.report.findings


def test_a_decision_that_came_while_the_log_was_read_may_know_an_end_that_was_not_read() -> None:
    store = Store.in_memory()
    experiment = begin(store)
    at = {"point": {"x": 0.5}, "params": {"x": 0.5}}
    experiment.append(experiment.compose((Queued, 0, at)))
    read = list(store.log.documents("e"))
    experiment.append(experiment.compose((Cancelled, 0, {"why": "no"})))
    experiment.append(experiment.compose((Queued, 1, at | {"observed": experiment.observed()})))
    read.append(list(store.log.documents("e"))[-1])
    assert streamed(store, read, last=1) is None
    assert (found := streamed(store, read, last=0)) is not None
    assert found.report.decisions == 2
