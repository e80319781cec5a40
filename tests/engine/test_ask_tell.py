"""Ask and tell: the trials that fmin decides, evaluated by the program that asks for them."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

import hstore
from hstore import AskedTrial, Search, Trials, fmin, hp
from hstore.engine.audit.replay import derive_again
from hstore.store.errors import InvalidLoss, InvalidValue, NotFound, SpaceChanged
from hstore.store.store import Store

SPACE = {
    "x": hp.uniform("x", -1, 1),
    "opt": hp.choice("opt", [{"name": "adam"}, {"name": "sgd", "m": hp.uniform("m", 0, 1)}]),
}


def loss(config: Any) -> float:
    return float(config["x"] ** 2 + config["opt"].get("m", 0.5))


def asked(search: Search) -> AskedTrial:
    trial = search.ask()
    assert trial is not None
    return trial


def begin(store: Store, **options: Any) -> Search:
    return hstore.search(SPACE, "rand", experiment="asked", store=store, **{"rstate": 0, **options})


@pytest.mark.parametrize("algo", ["tpe", "auto"])
def test_as_many_asks_give_the_points_that_fmin_gives(algo: Any) -> None:
    trials = Trials()
    fmin(loss, SPACE, algo, 25, trials=trials, rstate=3, verbose=False)
    with hstore.search(SPACE, algo, max_evals=25, rstate=3) as search:
        while trial := search.ask():
            assert trial.tell(loss(trial.config))
        assert search.why == "max_evals"
        assert [each.point for each in search.experiment.trials] == [t.point for t in trials.experiment.trials]
        assert search.best.loss == trials.best_trial["result"]["loss"]
        assert search.experiment.state.status == "finished"
        assert derive_again(search.experiment).is_same


def test_the_parameters_are_actual_values_and_the_configuration_is_what_an_objective_gets(store: Store) -> None:
    with begin(store) as search:
        trial = asked(search)
        assert trial.params["opt"] in ("adam", "sgd") or trial.params["opt"] in (0, 1)
        assert trial.config["x"] == trial.params["x"] == trial.point["x"]
        assert trial.tid == 0
        assert "AskedTrial 0 of 'asked'" in repr(trial)


def test_several_trials_are_out_at_once_and_end_in_any_order(store: Store) -> None:
    with begin(store, max_evals=3) as search:
        first, second, third = (asked(search) for _ in range(3))
        assert search.ask() is None
        assert third.tell(0.3)
        assert first.fail(ValueError("boom"))
        assert second.tell({"loss": 0.1, "accuracy": 0.9})
        trials = search.experiment.trials
        assert [trial.state for trial in trials] == ["failed", "done", "done"]
        assert trials[0].error == "ValueError: boom"
        assert dict(trials[1].result or {})["accuracy"] == 0.9
        assert search.experiment.state.status == "finished"


def test_what_is_given_back_is_asked_for_again_and_a_late_result_is_noted_and_does_not_count(store: Store) -> None:
    with begin(store) as search:
        trial = asked(search)
        trial.give_back()
        assert trial.tell(0.5) is False
        again = asked(search)
        assert (again.tid, again.point) == (trial.tid, trial.point)
        assert again.tell(0.25)
        (found,) = search.experiment.trials
        assert found.loss == 0.25
        (note,) = found.notes
        assert note.late is not None
        assert note.late["loss"] == 0.5


def test_a_trial_that_is_told_twice_keeps_its_first_result_and_the_second_as_a_note(
    store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    with begin(store) as search:
        trial = asked(search)
        assert [trial.tell(0.5), trial.tell(0.25), trial.fail("no"), trial.give_back()] == [True, False, False, False]
        (message,) = search.experiment.trials
        assert (message.loss, [note.late["type"] for note in message.notes if note.late]) == (0.5, ["done", "failed"])
    assert "trial 0 of 'asked' has ended already (done); its late result (failed) is saved as a note" in (
        capfd.readouterr().err
    )


def test_a_trial_of_another_search_and_what_is_no_trial_are_refused(store: Store) -> None:
    with begin(store) as search, hstore.search(hp.uniform("x", 0, 1), "rand", trials=Trials()) as other:
        own, foreign = asked(search), asked(other)
        wrong: Any
        for wrong in (foreign, own.tid, None):
            for say in (partial(search.tell, loss=1.0), partial(search.fail, error="no"), search.give_back):
                with pytest.raises(InvalidValue):
                    say(wrong)
        for token in ("", "0-", "9" * 30 + "-a", "²-a", None):
            with pytest.raises(NotFound):
                search.asked(token)  # type: ignore[arg-type]
        assert own.tell({"loss": 1.0, "trial": 1, "self": 2, "error": None})
        assert not search.experiment.trials[0].notes


def test_closing_a_search_queues_again_what_was_not_told(store: Store) -> None:
    with begin(store) as search:
        asked(search)
    assert [trial.state for trial in store.experiment("asked").trials] == ["queued"]


def test_several_losses_are_told_as_a_list(store: Store) -> None:
    with begin(store, objectives=2) as search:
        assert asked(search).tell([1.0, 2.0])
        assert asked(search).tell(np.array([1.0, 2.0]))
        with pytest.raises(InvalidLoss, match="no list of losses; this search takes 2"):
            asked(search).tell(1.0)


@pytest.mark.parametrize(("first", "other"), [(1.0, [1.0, 2.0]), ([1.0, 2.0], 1.0), ([1.0, 2.0], [1.0, 2.0, 3.0])])
def test_another_number_of_losses_than_before_is_refused(store: Store, first: Any, other: Any) -> None:
    with begin(store) as search:
        assert asked(search).tell(first)
        trial = asked(search)
        with pytest.raises(InvalidLoss, match="the earlier trials of 'asked' have"):
            trial.tell(other)
        assert trial.tell(first)


def test_what_no_search_can_use_is_refused_and_the_trial_can_still_be_told(store: Store) -> None:
    with begin(store) as search:
        trial = asked(search)
        with pytest.raises(InvalidLoss):
            trial.tell("good")
        assert trial.tell(1)


def test_a_pruner_stops_a_trial_that_reports_and_it_needs_no_loss_then(store: Store) -> None:
    with begin(store, pruner="median") as search:
        for value in (*[1.0] * 5, 9.0):
            trial = asked(search)
            for step in range(3):
                trial.report(step, value)
            stops = trial.should_stop()
            assert trial.tell(None if stops else value)
        assert stops
        assert search.experiment.trials[-1].is_pruned


def test_threads_share_a_search_and_no_trial_is_given_out_twice(store: Store) -> None:
    tids: list[int] = []
    with begin(store, max_evals=12) as search:

        def work() -> None:
            while trial := search.ask():
                tids.append(trial.tid)
                trial.tell(loss(trial.config))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(tids) == list(range(12))
        assert derive_again(search.experiment).is_same


def test_an_event_loop_asks_and_tells_without_blocking(store: Store) -> None:
    async def gathered(search: Search) -> list[bool]:
        trials = [trial for trial in await asyncio.gather(*(search.ask_async() for _ in range(4))) if trial]
        await search.fail_async(trials[0], "Timeout: too slow")
        return await asyncio.gather(*(search.tell_async(trial, 1.0) for trial in trials[1:]))

    with begin(store, max_evals=4) as search:
        assert asyncio.run(gathered(search)) == [True, True, True]
        assert sorted(trial.state for trial in search.experiment.trials) == ["done", "done", "done", "failed"]


def test_a_report_of_a_trial_that_has_ended_is_not_recorded_and_says_to_stop(store: Store) -> None:
    with begin(store, max_evals=4) as search:
        trial = asked(search)
        trial.report(1, 0.5)
        trial.tell(1.0)
        trial.report(2, 0.25)
        assert trial.should_stop()
        assert [report.step for report in search.experiment.trials[0].reports] == [1]


def test_a_call_that_is_cancelled_while_it_asks_leaves_no_trial_behind(store: Store) -> None:
    async def cancelled() -> None:
        async with begin(store, max_evals=4) as search:
            # The lock is held, so that asking takes longer than the caller waits.
            with search.locked(), pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(search.ask_async(), 0.01)
            while search.experiment.state.counts != {"queued": 1}:
                await asyncio.sleep(0.01)
            trial = await search.ask_async()
            assert trial is not None
            assert await search.give_back_async(trial)
            assert trial.tid == 0

    asyncio.run(cancelled())


def test_a_token_names_a_trial_for_another_process_and_its_reports_go_on(mongo_store: Store) -> None:
    with begin(mongo_store, lease=60.0) as search:
        trial = asked(search)
        trial.report(1, 0.5)
        token = trial.token
    with hstore.search(experiment="asked", store=mongo_store, lease=60.0) as search:
        same = search.asked(token)
        assert (same.tid, same.point) == (trial.tid, trial.point)
        same.report(2, 0.25)
        assert same.tell(0.25)
        assert [report.value for report in search.experiment.trials[0].reports] == [0.5, 0.25]
        with pytest.raises(NotFound, match="is no token"):
            search.asked("0-f00")


def test_a_trial_whose_lease_ran_out_is_given_to_the_next_that_asks(mongo_store: Store) -> None:
    with begin(mongo_store, lease=0.001) as search:
        first = asked(search)
        again = asked(search)
        assert again.tid == first.tid
        assert first.tell(0.1) is False
        assert again.tell(0.2)


def test_a_report_renews_the_lease_that_the_trial_was_given_out_with(mongo_store: Store) -> None:
    with begin(mongo_store, lease=60.0) as search:
        token = asked(search).token
    (before,) = mongo_store.claims.held(["asked"])
    with hstore.search(experiment="asked", store=mongo_store) as search:
        search.asked(token).report(1, 0.5)
    (after,) = mongo_store.claims.held(["asked"])
    assert after.by != before.by  # it was renewed, by this process
    assert after.seconds == before.seconds == 60.0


def test_a_search_without_a_space_goes_on_as_it_is_recorded(mongo_store: Store) -> None:
    fmin(loss, SPACE, "tpe", 3, experiment="asked", store=mongo_store, rstate=1, verbose=False)
    with pytest.raises(SpaceChanged):
        hstore.search({"y": hp.uniform("y", 0, 1)}, experiment="asked", store=mongo_store)
    experiment = mongo_store.experiment("asked")
    before = experiment.state.ver
    with hstore.search(experiment="asked", store=mongo_store) as search:
        assert search.ask() is None
    assert mongo_store.experiment("asked").state.ver == before
    with pytest.raises(NotFound, match="no experiment 'other'"):
        hstore.search(experiment="other", store=mongo_store)
    with pytest.raises(InvalidValue, match="the space is missing"):
        hstore.search(experiment="asked", store=mongo_store, max_evals=9)
