"""`hstore worker` as a process: what it takes, when it leaves, what becomes of its trials when it does not."""

import contextlib
import os
import signal

import psutil
import pytest
from tests.waiting import GENEROUS, until_read
from tests.workers.objectives import holds_the_gil, raises, sleeps, square
from tests.workers.serving import begin, enqueue, is_over, is_running, ran, worker

from hstore.engine.audit.check import check
from hstore.engine.search.control import retry
from hstore.store.events import Changed, Noted, Requeued
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial
from hstore.store.store import Store

INLINE = ("--isolate", "none")
"""For a worker whose children are not the subject: each costs half a second of CPU."""


def types(experiment: Experiment, tid: int) -> list[str]:
    return [event.type for event in experiment.chain(tid)]


def only(experiment: Experiment) -> Trial:
    (trial,) = experiment.trials
    return trial


def test_burst_leaves_when_nothing_is_queued(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", square, 20)
    code, said = ran(mongo_url, "--burst", "-j", "2")
    experiment.refresh()
    assert (code, experiment.state.counts) == (0, {"done": 20})
    assert "serves every open experiment (now e)" in said
    assert [trial.loss for trial in experiment.trials] == [trial.point["x"] ** 2 for trial in experiment.trials]
    assert not check(mongo_store, "e")


def test_who_leaves_last_records_that_the_search_has_ended(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", raises, 3, max_evals=3)
    for _ in range(2):  # the second time what has failed is tried again, and no driver is there to see it
        assert ran(mongo_url, *INLINE, "--burst")[0] == 0
        experiment.refresh()
        assert (experiment.state.status, experiment.state.why) == ("finished", "max_evals")
        assert not check(mongo_store, "e")
        retry(experiment, "failed")


def test_the_oldest_trial_is_taken_first_whatever_its_experiment(mongo_store: Store, mongo_url: str) -> None:
    older, newer = begin(mongo_store, "z", square, 2), begin(mongo_store, "a", square, 2)
    enqueue(older, 1)
    ran(mongo_url, *INLINE, "--burst")
    taken = []
    for experiment in (older, newer):
        experiment.refresh()
        taken += [(t.reserved.at, experiment.name, t.tid) for t in experiment.trials if t.reserved]
    assert [place[1:] for place in sorted(taken)] == [("z", 0), ("z", 1), ("a", 0), ("a", 1), ("z", 2)]


def test_only_the_experiments_named_are_served(mongo_store: Store, mongo_url: str) -> None:
    mine, other = begin(mongo_store, "mine", square, 2), begin(mongo_store, "other", square, 2)
    ran(mongo_url, *INLINE, "mine", "--burst")
    for experiment in (mine, other):
        experiment.refresh()
    assert mine.state.counts == {"done": 2}
    assert other.state.counts == {"queued": 2}


@pytest.mark.parametrize("slots", ["1", "3"])
def test_max_jobs_is_kept_to_the_letter(mongo_store: Store, mongo_url: str, slots: str) -> None:
    experiment = begin(mongo_store, "e", square, 9)
    code, said = ran(mongo_url, *INLINE, "--max-jobs", "4", "-j", slots)
    experiment.refresh()
    assert "exiting: --max-jobs reached (4 trials)" in said
    assert (code, experiment.state.counts) == (0, {"done": 4, "queued": 5})


def test_it_leaves_when_idle_for_so_long(mongo_store: Store, mongo_url: str) -> None:
    begin(mongo_store, "e", square, 1)
    code, said = ran(mongo_url, *INLINE, "--max-idle", "0.5")
    assert code == 0
    assert "exiting: --max-idle reached: no trial for 0.5 s (1 trial)" in said


def test_it_leaves_after_so_long_whatever_there_is_to_do(mongo_store: Store, mongo_url: str) -> None:
    begin(mongo_store, "e", square, 1)
    code, said = ran(mongo_url, *INLINE, "--max-runtime", "1.5")
    assert code == 0
    assert "exiting: --max-runtime reached: 1.5 s" in said


def test_failures_in_a_row_have_an_exit_code_of_their_own(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", raises, 5)
    code, said = ran(mongo_url, *INLINE, "--max-consecutive-failures", "3")
    experiment.refresh()
    assert (code, experiment.state.counts) == (8, {"failed": 3, "queued": 2})
    assert "3 trials failed in a row" in said


def test_what_an_objective_raises_is_kept_with_its_output(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", raises, 1, failed=1)
    ran(mongo_url, "--burst")
    experiment.refresh()
    trial = only(experiment)
    attempt = ["reserved", "running", "reported", "failed"]
    assert types(experiment, 0) == ["queued", *attempt, "requeued", *attempt]
    assert trial.error == "ValueError: no"
    assert 'raise ValueError("no")' in trial.end.traceback  # type: ignore[union-attr, operator]
    assert mongo_store.attachments.get(trial.attachments["output"]["sha256"]) == b"about to fail\n"


def test_a_trial_that_takes_too_long_is_ended(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", sleeps, 1)
    code, _ = ran(mongo_url, "--burst", "--trial-timeout", "0.3")
    experiment.refresh()
    end = only(experiment).end
    assert (code, only(experiment).state) == (0, "failed")
    assert (end.cause, end.time_limit, end.error) == ("timeout", 0.3, "TimeLimit")  # type: ignore[union-attr]


def test_without_a_process_of_its_own_an_objective_does_as_well(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", square, 5)
    ran(mongo_url, "--burst", "--isolate", "none")
    experiment.refresh()
    assert experiment.state.counts == {"done": 5}
    assert all(t.running and t.reserved and t.running.pid == t.reserved.process["pid"] for t in experiment.trials)  # type: ignore[index]


def test_a_new_process_is_begun_after_so_many_trials(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", square, 6)
    ran(mongo_url, "--burst", "--max-jobs-per-child", "2")
    experiment.refresh()
    assert len({trial.running.pid for trial in experiment.trials if trial.running}) == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_first_signal_puts_back_what_does_not_end_in_time(
    mongo_store: Store, mongo_url: str, number: int, code: int
) -> None:
    experiment = begin(mongo_store, "e", sleeps, 1)
    with worker(mongo_url, "--grace", "0.3") as process:
        until_read(experiment, is_running(experiment))
        process.send_signal(number)
        assert process.wait(GENEROUS) == code
    experiment.refresh()
    assert only(experiment).state == "queued"
    assert only(experiment).retries == {"interrupted": 1}


def test_a_second_signal_does_not_wait(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", sleeps, 1)
    with worker(mongo_url, "--grace", "600") as process:
        until_read(experiment, is_running(experiment))
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert any("may end within 600 s" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(GENEROUS) == 143
    experiment.refresh()
    assert only(experiment).state == "queued"


def test_a_worker_that_drains_ends_what_it_has_and_takes_no_more(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", holds_the_gil, 3)
    with worker(mongo_url) as process:
        until_read(experiment, is_running(experiment))
        process.send_signal(signal.SIGUSR1)
        assert process.wait(GENEROUS) == 0
    experiment.refresh()
    assert experiment.state.counts == {"done": 1, "queued": 2}


def test_an_objective_that_holds_the_gil_is_not_declared_dead(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", holds_the_gil, 1)
    with worker(mongo_url), worker(mongo_url):
        until_read(experiment, is_over(experiment))
    assert types(experiment, 0) == ["queued", "reserved", "running", "done"]


def test_the_trial_of_a_killed_worker_is_taken_by_another(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", sleeps, 1)
    with worker(mongo_url) as first, worker(mongo_url):
        until_read(experiment, is_running(experiment))
        holder = only(experiment).reserved
        assert holder is not None
        first_pid = int(holder.worker.rpartition(":")[2])
        os.kill(first_pid, signal.SIGKILL)
        until_read(experiment, lambda: only(experiment).attempt == 2)
        assert only(experiment).reserved.worker != holder.worker  # type: ignore[union-attr]
        first.kill()
    assert types(experiment, 0)[:5] == ["queued", "reserved", "running", "requeued", "reserved"]
    assert [e.cause for e in experiment.chain(0) if isinstance(e, Requeued)] == ["lost"]


def test_a_worker_that_was_frozen_finds_its_trial_gone_and_notes_what_it_has(
    mongo_store: Store, mongo_url: str
) -> None:
    experiment = begin(mongo_store, "e", holds_the_gil, 1)
    with worker(mongo_url) as zombie:
        until_read(experiment, is_running(experiment))
        zombie.send_signal(signal.SIGSTOP)
        with worker(mongo_url) as other:
            until_read(experiment, is_over(experiment))
            zombie.send_signal(signal.SIGCONT)
            # Who has seen a trial end does not look at it again: read anew.
            until_read(experiment, lambda: isinstance(mongo_store.experiment("e").chain(0)[-1], Noted))
            other.kill()
    experiment = mongo_store.experiment("e")
    assert types(experiment, 0) == [
        "queued", "reserved", "running", "requeued", "reserved", "running", "done", "noted"
    ]  # fmt: skip
    (note,) = only(experiment).notes
    assert note.late is not None
    assert (note.late["type"], note.late["loss"]) == ("done", 1.0)
    assert only(experiment).state == "done"
    assert not check(mongo_store, "e")


def test_a_trial_that_kills_its_worker_every_time_ends_as_lost(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", sleeps, 1, lost=1)
    with contextlib.ExitStack() as stack:
        stack.enter_context(worker(mongo_url))
        stack.enter_context(worker(mongo_url))
        stack.enter_context(worker(mongo_url))
        for attempt in (1, 2):
            until_read(experiment, lambda: only(experiment).state == "running" and only(experiment).attempt == attempt)  # noqa: B023
            os.kill(int(only(experiment).reserved.worker.rpartition(":")[2]), signal.SIGKILL)  # type: ignore[union-attr]
        until_read(experiment, is_over(experiment))
    end = only(experiment).end
    assert (end.error, end.cause, end.final) == ("Lost", "lost", True)  # type: ignore[union-attr]


def test_children_die_with_a_worker_that_is_killed(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", sleeps, 1)
    with worker(mongo_url) as process:
        until_read(experiment, is_running(experiment))
        child = psutil.Process(only(experiment).running.pid)  # type: ignore[union-attr]
        process.kill()
        child.wait(GENEROUS)


def test_a_stopped_worker_is_not_listed_any_more(mongo_store: Store, mongo_url: str) -> None:
    begin(mongo_store, "e", square, 1)
    ran(mongo_url, *INLINE, "--burst")
    assert mongo_store.claims is not None
    assert mongo_store.claims.workers() == []


def test_it_says_who_it_is_and_what_it_holds(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", sleeps, 1)
    claims = mongo_store.claims
    assert claims is not None
    with worker(mongo_url, "--name", "atlas", "-j", "2"):
        until_read(experiment, is_running(experiment))
        until_read(experiment, lambda: any(document["holds"] for document in claims.workers("e")))
        (about,) = claims.workers("e")
    assert (about["_id"], about["slots"], about["state"], about["experiments"]) == ("atlas", 2, "busy", ["e"])
    assert [(held["exp"], held["tid"]) for held in about["holds"]] == [("e", 0)]


def test_a_store_is_opened_by_hstore_workers_run_as_well(mongo_store: Store, mongo_url: str) -> None:
    from hstore.workers import run

    experiment = begin(mongo_store, "e", square, 3)
    assert run(mongo_url, ["e"], burst=True, isolate="none", quiet=True) == 0
    experiment.refresh()
    assert experiment.state.counts == {"done": 3}


def test_a_trial_whose_taker_died_before_it_claimed_it_is_taken_all_the_same(
    mongo_store: Store, mongo_url: str
) -> None:
    experiment = begin(mongo_store, "e", square, 1)
    assert mongo_store.claims is not None
    assert mongo_store.claims.take_ticket("nobody", ["e"], seconds=2.0) == ("e", 0)
    with worker(mongo_url, "--max-jobs", "1") as process:  # that the ticket lapses is no news to anybody
        assert process.wait(timeout=GENEROUS) == 0
    experiment.refresh()
    assert experiment.state.trials[0].state == "done"


def cannot_be_loaded(store: Store, name: str) -> Experiment:
    """Return an experiment with two queued trials whose objective is nowhere to be found."""
    experiment = begin(store, name, square, 0)
    data = {"objective": {"name": "f", "ref": "not_there:f", "version": "1"}}
    experiment.append(experiment.compose((Changed, None, data)))
    enqueue(experiment, 2)
    return experiment


@pytest.mark.parametrize("limit", [("--burst",), ("--max-idle", "0.5"), ("--max-runtime", "1")])
def test_a_worker_that_could_load_no_objective_says_so_in_its_exit_code(
    mongo_store: Store, mongo_url: str, limit: tuple[str, ...]
) -> None:
    cannot_be_loaded(mongo_store, "e")
    code, said = ran(mongo_url, *INLINE, *limit)
    assert code == 9
    assert "skipping 'e': cannot import not_there:f" in said
    assert "no objective could be loaded (0 trials)" in said


def test_one_objective_of_two_is_enough_for_exit_code_0(mongo_store: Store, mongo_url: str) -> None:
    cannot_be_loaded(mongo_store, "e")
    begin(mongo_store, "f", square, 1)
    code, said = ran(mongo_url, *INLINE, "--burst")
    assert code == 0
    assert "skipping 'e'" in said


def test_an_objective_that_is_named_on_the_command_line_counts_as_loaded(mongo_store: Store, mongo_url: str) -> None:
    experiment = cannot_be_loaded(mongo_store, "e")
    code, _ = ran(mongo_url, *INLINE, "--burst", "--objective", "tests.workers.objectives:square")
    experiment.refresh()
    assert (code, experiment.state.counts) == (0, {"done": 2})


def test_a_worker_with_nothing_to_do_exits_with_0(mongo_store: Store, mongo_url: str) -> None:
    begin(mongo_store, "e", square, 0)
    assert ran(mongo_url, *INLINE, "e", "--burst")[0] == 0


def test_an_experiment_is_waited_for_if_the_worker_is_told_to(mongo_store: Store, mongo_url: str) -> None:
    with worker(mongo_url, "later", "other", "--wait", "--burst") as process:
        assert process.stderr is not None
        waits = [process.stderr.readline() for _ in range(2)]
        assert waits == [f"hstore: waiting for experiment '{name}' to be created\n" for name in ("later", "other")]
        later = begin(mongo_store, "later", square, 2)
        until_read(later, is_over(later))
        other = begin(mongo_store, "other", square, 1)
        assert process.wait(GENEROUS) == 0
    other.refresh()
    assert other.state.counts == {"done": 1}


def test_an_experiment_that_never_comes_has_the_exit_code_of_one_that_is_not_there(
    mongo_store: Store, mongo_url: str
) -> None:
    code, said = ran(mongo_url, "never", "--wait", "--max-idle", "0.5")
    assert code == 3
    assert "waiting for experiment 'never' to be created" in said


def test_a_worker_that_waits_can_be_stopped(mongo_store: Store, mongo_url: str) -> None:
    with worker(mongo_url, "never", "--wait") as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(GENEROUS) == 143
