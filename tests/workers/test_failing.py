"""A worker tells of each trial that fails, and keeps what trials print as the search wants it."""

import pytest
from tests.cli.commands import run
from tests.workers import objectives
from tests.workers.serving import begin, ran

from hstore import fmin, hp, rand
from hstore.engine.hyperopt.trials import Trials
from hstore.store.errors import InvalidValue
from hstore.store.events import Changed
from hstore.store.store import Store


def test_a_worker_tells_of_each_failure_where_to_look(mongo_store: Store, mongo_url: str) -> None:
    begin(mongo_store, "broken one", objectives.raises, 2)
    _, said = ran(mongo_url, "broken one", "--burst")
    for tid in range(2):
        line = f"hstore: trial {tid} of 'broken one' failed: ValueError: no (see `hstore show 'broken one' {tid}`)\n"
        assert said.count(line) == 1


def test_a_worker_says_that_a_failed_trial_will_be_tried_again(mongo_store: Store, mongo_url: str) -> None:
    begin(mongo_store, "broken", objectives.raises, 1, failed=1)
    _, said = ran(mongo_url, "broken", "--burst")
    assert said.count("failed: ValueError: no; it will be tried again (see") == 1
    assert said.count("failed: ValueError: no (see") == 1


@pytest.mark.parametrize("isolate", ["process", "none"])
def test_a_result_of_status_fail_is_told(mongo_store: Store, mongo_url: str, isolate: str) -> None:
    begin(mongo_store, "broken", objectives.gives_up, 1)
    _, said = ran(mongo_url, "broken", "--burst", "--isolate", isolate)
    assert "trial 0 of 'broken' failed: its result has the status 'fail' (see" in said


def test_a_trial_that_took_too_long_is_told(mongo_store: Store, mongo_url: str) -> None:
    begin(mongo_store, "broken", objectives.sleeps, 1)
    _, said = ran(mongo_url, "broken", "--burst", "--trial-timeout", "0.5")
    assert "trial 0 of 'broken' failed: TimeLimit: took more than 0.5 s (see" in said


@pytest.mark.parametrize(
    ("keep", "of_a_success", "of_a_failure"),
    [
        (None, False, True),
        ("always", True, True),
        *(pytest.param(*case, marks=pytest.mark.long) for case in (("failed", False, True), ("never", False, False))),
    ],
)
def test_output_is_kept_of_the_trials_that_the_search_says(
    mongo_store: Store, mongo_url: str, keep: str | None, of_a_success: bool, of_a_failure: bool
) -> None:
    for name, objective, is_kept in (
        ("works", objectives.prints, of_a_success), ("fails", objectives.raises, of_a_failure),
    ):  # fmt: skip
        experiment = begin(mongo_store, name, objective, 2)
        if keep is not None:  # as another call of fmin says it
            experiment.append(experiment.compose((Changed, None, {"keep_output": keep})))
        ran(mongo_url, name, "--burst")
        experiment.refresh()
        assert ["output" in trial.attachments for trial in experiment.trials] == [is_kept, is_kept]
        shown = run(mongo_url, "show", name, "1", "--output")
        assert (shown.exit_code == 0) is is_kept
        assert ("no output of trial 1 was kept" in shown.stderr) is not is_kept


def test_output_is_printed_without_what_steers_a_terminal(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "talks", objectives.prints, 1)
    experiment.append(experiment.compose((Changed, None, {"keep_output": "always"})))
    ran(mongo_url, "talks", "--burst")
    assert run(mongo_url, "show", "talks", "0", "--output").stdout == "epoch 1 -0.9\n\\x1b[2Jwarned\n"
    assert '"output": "epoch 1 -0.9\\n\\u001b' in run(mongo_url, "show", "talks", "0", "--output", "--json").stdout
    assert run(mongo_url, "show", "talks", "--output").exit_code == 2


def test_output_that_an_objective_attached_itself_stays(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "own", objectives.attaches_output, 1)
    experiment.append(experiment.compose((Changed, None, {"keep_output": "always"})))
    ran(mongo_url, "own", "--burst")
    assert run(mongo_url, "show", "own", "0", "--output").stdout == "mine\n"


def test_fmin_records_which_output_is_kept_and_workers_follow_it(mongo_store: Store, mongo_url: str) -> None:
    space = {"x": hp.uniform("x", 0, 1)}

    def search(n: int, keep: str) -> None:
        fmin(
            objectives.prints, space, rand.suggest, n, experiment="kept", store=mongo_url, workers=1, verbose=False,
            keep_output=keep,  # type: ignore[arg-type]
        )  # fmt: skip

    search(1, "always")
    search(2, "failed")
    experiment = mongo_store.experiment("kept")
    assert experiment.state.created is not None
    assert experiment.state.created.keep_output == "always"
    assert experiment.state.keep_output == "failed"
    assert ["output" in trial.attachments for trial in experiment.trials] == [True, False]


def test_what_output_is_kept_is_one_of_three() -> None:
    with pytest.raises(InvalidValue, match="keep_output must be one of failed, always, never, not 'sometimes'"):
        fmin(objectives.prints, hp.uniform("x", 0, 1), max_evals=1, trials=Trials(), keep_output="sometimes")  # type: ignore[arg-type]
