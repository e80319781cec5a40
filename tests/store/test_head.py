"""The head commits to every event: what was changed since a head was published, or recorded, is found."""

import copy
import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from histories import begin, live

from hstore.store.digest import digest
from hstore.store.errors import Conflict, InvalidValue
from hstore.store.events import Document, Done, Finished, Noted, Queued, Reserved, Running, Sealed
from hstore.store.experiment import Experiment
from hstore.store.head import is_proven, move, position, read_position, runs
from hstore.store.log_chains import chains_of, head_of
from hstore.store.published_head import Published, find_head
from hstore.store.seals import seal
from hstore.store.store import Store
from hstore.store.verify import Report, verify, verify_chains

Log = list[Document]


def lived(seed: int, *, steps: int = 60, seals: bool = True) -> Experiment:
    """A random history; sealed now and then."""
    experiment = begin(Store.in_memory())
    evaluate(experiment)
    for part in range(4):
        live(experiment, seed * 10 + part, steps // 4)
        if seals and part in (1, 2):
            seal(experiment)
    return experiment


def evaluate(experiment: Experiment) -> None:
    """Queue a trial and record that it is done."""
    tid = len(experiment.trials)
    done = {"result": {"status": "ok", "loss": 0.5}, "status": "ok", "loss": 0.5}
    events: list[tuple[Any, dict[str, Any]]] = [
        (Queued, {"point": {}, "params": {}, "observed": experiment.observed()}),
        (Reserved, {"worker": "w", "host": "h", "attempt": 1}),
        (Running, {"pid": 1, "python": "", "hstore": ""}),
        (Done, done),
    ]
    experiment.append(experiment.compose(*((kind, tid, data) for kind, data in events)))


def log_of(experiment: Experiment) -> Log:
    return copy.deepcopy(list(experiment.documents()))


def finds(log: Log, head: bytes, at: str | None = None) -> Published | None:
    chains = chains_of(log)
    return find_head(chains, head, recorded=verify_chains(chains).recorded, at=at)


def put_right(log: Log) -> Log:
    """Compute all digests and heads again, as a person would who can write to the store and knows hstore."""
    chains: dict[int | None, Log] = {}
    for document in log:
        chains.setdefault(document.get("tid"), []).append(document)
    digests: dict[tuple[int | None, int], bytes] = {}
    tids: list[int | None] = [None, *sorted(tid for tid in chains if tid is not None)]
    for round_ in range(2):  # decisions hold digests of the own chain, and that holds digests of all
        before = b""
        for tid in tids:
            after = b""
            for ver, document in enumerate(chains[tid]):
                document["ver"] = ver
                data = document["data"]
                data.pop("prev", None)
                if ver or tid is not None:
                    data["prev"] = after if ver else before
                if "observed" in data:
                    known = [(o[0], o[1], digests.get((o[0], o[1]))) for o in data["observed"]]
                    data["observed"] = [list(entry) for entry in known if entry[2]] if round_ else data["observed"]
                after = digests[tid, ver] = digest(document, after)
                before = after if ver == 0 else before
    return log


def test_the_head_is_that_of_the_log_and_changes_with_every_event() -> None:
    experiment = begin(Store.in_memory())
    heads = [experiment.head]
    for seed in range(30):
        live(experiment, seed, 1)
        heads.append(experiment.head)
        assert heads[-1] == head_of(chains_of(experiment.documents())) == verify(experiment.documents()).head
    assert len(set(heads)) == len(heads)
    again = Experiment(experiment.store, "e")
    again.refresh()
    assert again.head == heads[-1]


def test_one_trial_is_proven_by_itself() -> None:
    experiment = lived(1)
    for trial in experiment.trials:
        proof = experiment.seals.prove(trial.tid)
        assert proof["digest"] == experiment.digest(trial.tid, trial.ver)
        assert is_proven(proof, experiment.head)
        assert not is_proven(proof | {"digest": b"\1" * 32}, experiment.head)
        assert not is_proven(proof | {"ver": trial.ver + 1}, experiment.head)
        assert not is_proven(proof | {"trial": trial.tid + 1}, experiment.head)
        assert not is_proven(proof, b"\1" * 32)


@pytest.mark.parametrize("seed", range(3))
def test_every_head_that_was_printed_at_any_time_is_found_again(seed: int) -> None:
    experiment, published = begin(Store.in_memory()), []
    rng = random.Random(seed)
    for step in range(30):
        live(experiment, 100 * seed + step, 1)
        if rng.random() < 0.2:
            seal(experiment)
        cut = experiment.seals.cut
        published.append((experiment.head, position(cut), len(cut) - 1, sum(cut) + len(cut)))
    log = log_of(experiment)
    assert verify(log).findings == ()
    for head, at, decisions, events in published:
        found = finds(log, head, at)
        assert found is not None
        assert (found.decisions, found.events) == (decisions, events)
    for each in verify(log).recorded:
        assert finds(log, each.head) == Published(decisions=each.decisions, events=each.events, ver=each.ver)
    assert finds(log, published[-1][0]) is not None  # without its position, as the log is now
    assert finds(log, b"\0" * 32) is None


def test_a_seal_is_checked_again_and_says_which_events_a_lie_is_among() -> None:
    experiment = lived(2)
    seal(experiment)
    report = verify(experiment.documents())
    assert report.findings == ()
    assert len(report.recorded) >= 2
    log = log_of(experiment)
    sealed = next(d for d in reversed(log) if d["type"] == "sealed")
    sealed["data"]["head"] = b"\0" * 32
    [finding] = [each for each in verify(log).findings if each.kind == "contradictory"]
    assert f"event {sealed['ver']} of the experiment's own chain contradicts itself" in finding.message


def test_a_recorded_head_is_compared_once_however_often_the_log_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = lived(2)
    seal(experiment)
    assert experiment.seals.is_last_right()
    begun: list[int] = []
    monkeypatch.setattr("hstore.store.seals.HeadTree.begin", lambda tree, cut, digests: begun.append(len(cut)))
    live(experiment, 7, 3)
    assert experiment.seals.is_last_right()
    assert begun == []


@pytest.mark.parametrize("tips", [[], [[0, 1, 0]], [[None, 1, 99]], [[None, 10**9, 0]], [[None, 1, 0], [0, 1, 99]]])
def test_a_seal_of_events_that_there_are_not_is_named(tips: list[Any]) -> None:
    experiment = begin(Store.in_memory())
    evaluate(experiment)
    forged = {"head": b"\0" * 32, "decisions": 1, "tips": tips}
    experiment.append(experiment.compose((Sealed, None, forged)))
    [finding] = verify(experiment.documents()).findings
    assert finding.kind in ("contradictory", "removed")
    assert seal(experiment) is not None  # the next reader goes on


def test_a_seal_commits_to_what_nothing_else_does() -> None:
    experiment = begin(Store.in_memory())
    live(experiment, 5, 30)
    before = verify(experiment.documents())
    assert before.uncommitted > 0
    assert seal(experiment) is not None
    assert seal(experiment) is None  # there is nothing new
    after = verify(experiment.documents())
    assert (after.uncommitted, after.findings) == (0, ())
    log = log_of(experiment)
    ends = [chain for chain in chains_of(log).values() if chain.tid is not None and len(chain.documents) > 1]
    last = ends[-1].documents[-1]
    last["by"] = "another"
    assert verify(log).findings != ()
    live(experiment, 6, 1)
    assert verify(experiment.documents()).uncommitted == 1


def test_a_seal_says_only_what_moved_since_the_one_before() -> None:
    experiment = begin(Store.in_memory())
    live(experiment, 7, 40)
    first = seal(experiment)
    assert isinstance(first, Sealed)
    assert first.decisions == len(experiment.trials)
    live(experiment, 8, 1)
    second = seal(experiment)
    assert isinstance(second, Sealed)
    assert len(second.tips) <= 2
    reader = Experiment(experiment.store, "e")
    reader.refresh()
    live(reader, 9, 3)
    assert seal(reader) is not None
    assert verify(reader.documents()).findings == ()


def test_a_writer_that_has_not_read_the_latest_event_of_another_chain_seals_what_it_read() -> None:
    experiment = lived(3)
    late = Experiment(experiment.store, "e")
    late.refresh()
    ended = next(trial.tid for trial in experiment.trials if trial.is_finished)
    experiment.append(experiment.compose((Noted, ended, {"note": "late"})))
    assert seal(late) is not None
    report = verify(late.documents())
    assert report.findings == ()
    assert report.uncommitted == 1
    with pytest.raises(Conflict):
        seal(experiment)
    assert seal(experiment) is not None
    assert verify(experiment.documents()).uncommitted == 0


def test_the_end_of_a_search_commits_to_all_of_it() -> None:
    experiment = lived(4, seals=False)
    ending = {"why": "max_evals", "observed": experiment.observed(), **experiment.seals.ending()}
    experiment.append(experiment.compose((Finished, None, ending)))
    report = verify(experiment.documents())
    assert (report.findings, report.uncommitted) == ((), 0)
    assert report.recorded[-1].ver == experiment.state.ver
    assert not experiment.seals.has_news()


# -- tampering ------------------------------------------------------------------------------------------------


def change(log: Log, rng: random.Random) -> Log:
    document = rng.choice(log)
    document["by"] = "another"
    return log


def forge_best(log: Log, rng: random.Random) -> Log:
    ends = [document for document in log if document["type"] == "done"]
    end = rng.choice(ends)
    end["data"]["loss"] = end["data"]["result"]["loss"] = -1011.0
    return log


def delete(log: Log, rng: random.Random) -> Log:
    victims = [document for document in log if document["ver"]]
    log.remove(rng.choice(victims))
    return log


def delete_trial(log: Log, rng: random.Random) -> Log:
    last = max(document["tid"] for document in log if document.get("tid") is not None)
    return [document for document in log if document.get("tid") != last]


def insert(log: Log, rng: random.Random) -> Log:
    later = [k for k in range(1, len(log)) if log[k].get("tid") is not None and log[k]["ver"]]
    place = rng.choice(later)  # not behind the end of a chain, which may go on
    victim = log[place - 1]
    note = victim | {"_id": uuid.UUID(int=rng.getrandbits(128)), "type": "noted", "data": {"note": "forged"}}
    return [*log[:place], note, *log[place:]]


def reorder(log: Log, rng: random.Random) -> Log:
    places = [k for k in range(1, len(log)) if log[k].get("tid") == log[k - 1].get("tid") and log[k]["ver"] > 1]
    place = rng.choice(places)
    log[place - 1], log[place] = log[place], log[place - 1]
    return log


def truncate(log: Log, rng: random.Random) -> Log:
    last = {document.get("tid"): document for document in log}
    log.remove(rng.choice([document for document in last.values() if document["ver"]]))
    return log


TAMPERING = [change, forge_best, delete, delete_trial, insert, reorder, truncate]


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_tampering_of_every_kind_is_found_by_a_published_head_though_all_digests_fit(
    tamper: Callable[[Log, random.Random], Log], seed: int
) -> None:
    """Also where every digest was computed again: then `verify` alone is content."""
    experiment = lived(seed, seals=False)
    published, at = experiment.head, position(experiment.seals.cut)
    log = log_of(experiment)
    assert finds(log, published, at) is not None
    forged = put_right(tamper(log, random.Random(seed)))
    assert forged != log_of(experiment)
    assert finds(forged, published) is None
    assert finds(forged, published, at) is None


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__)
def test_a_recorded_head_finds_what_was_changed_before_it(tamper: Callable[[Log, random.Random], Log]) -> None:
    experiment = lived(5, seals=False)
    seal(experiment)
    log = log_of(experiment)
    own = [document for document in log if document.get("tid") is None]
    rest = tamper([document for document in log if document.get("tid") is not None], random.Random(1))
    report: Report = verify([*own, *rest])
    assert report.findings != ()


# -- what events hold of themselves ---------------------------------------------------------------------------


def test_stripped_digests_are_named() -> None:
    log = log_of(lived(6))
    for document in log:
        document["data"].pop("prev", None)
    findings = verify(log).findings
    assert findings != ()
    decision = copy.deepcopy(log_of(lived(6, seals=False)))
    last = max(document["tid"] for document in decision if document.get("tid") is not None)
    first = next(document for document in decision if document.get("tid") == last)
    for field in ("prev", "observed"):
        stripped = copy.deepcopy(decision)
        [victim] = [document for document in stripped if document["_id"] == first["_id"]]
        del victim["data"][field]
        assert any(each.tid == last and each.kind in ("stripped", "changed") for each in verify(stripped).findings)


@pytest.mark.parametrize(("field", "value"), [("loss", -99.0), ("status", "fail")])
def test_what_is_stored_twice_must_say_the_same(field: str, value: object) -> None:
    experiment = begin(Store.in_memory())
    evaluate(experiment)
    log = log_of(experiment)
    assert verify(log).findings == ()
    log[-1]["data"][field] = value  # no digest holds what it was: it is the last event
    [finding] = verify(log).findings
    assert finding.kind == "contradictory"
    assert f"contradicts itself: its {field} is {value!r}" in finding.message


# -- positions ------------------------------------------------------------------------------------------------


def test_a_position_is_short_and_is_read_again() -> None:
    assert position([5, 3, 3, 3, 2]) == "5,3x3,2"
    for cut in ([0], [5, 3, 3, 3, 2], [1, 0, 0, 7]):
        assert read_position(position(cut), most=9) == cut


@pytest.mark.parametrize("text", ["", "x", "3x", "3x0", "-1", "1,2x9", "1e3", "5,,3"])
def test_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no position of a log"):
        read_position(text, most=8)


def test_runs_move_a_cut_on() -> None:
    cut = [2, 3, 3]
    assert move(cut, runs([(3, 1), (2, 1), (None, 4), (0, 5)]), most=5)
    assert cut == [4, 5, 3, 1, 1]
    assert not move(cut, [[9, 1, 0]], most=99)  # it would leave a gap
    assert not move(cut, [[0, 10**12, 0]], most=99)
    assert cut == [4, 5, 3, 1, 1]
