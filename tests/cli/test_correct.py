"""`hstore void`, `unvoid`, `amend`, `note`, `tag`, and how `show` and `log` print what they did."""

import json

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.store.store import Store


@pytest.fixture
def digits(mongo_url: str, mongo_store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store with an experiment `digits` of four trials, with the losses 0.0, 1.0, 2.0, 3.0."""
    monkeypatch.setenv("HSTORE_USER", "ann")
    losses = iter(range(4))
    fmin(lambda _: float(next(losses)), {"x": hp.uniform("x", 0, 1)}, rand.suggest, 4, rstate=0, verbose=False,
         experiment="digits", store=mongo_store)  # fmt: skip
    return mongo_url


def test_a_result_is_corrected_and_show_prints_both_values_who_and_why(digits: str) -> None:
    done = run(digits, "amend", "digits", "3", "--loss", "-1", "--reason", "validated on the wrong split")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "digits: amended: trial 3; the best is trial 3 now, loss -1\n"
    shown = run(digits, "show", "digits", "3").stdout
    assert "loss -1 (ok)" in shown
    assert "amended: loss=3 is what the objective returned (ann, " in shown
    assert ": validated on the wrong split)" in shown
    listed = run(digits, "show", "digits").stdout
    assert "-1*" in listed
    assert "* amended by a person" in listed
    data = json.loads(run(digits, "show", "digits", "3", "--json").stdout)
    assert (data["loss"], data["returned"], data["amended"]) == (-1.0, {"loss": 3.0}, True)
    assert data["notes"][0]["amend"] == {"loss": -1.0}
    assert run(digits, "check", "digits").exit_code == 0
    logged = run(digits, "log", "digits", "3").stdout
    assert "noted      amend=loss=-1, person=ann, note=validated on the wrong split" in logged


def test_trials_are_voided_and_put_back(digits: str) -> None:
    done = run(digits, "void", "digits", "0", "1", "--reason", "leak", "--json")
    data = json.loads(done.stdout)
    assert [(note["tid"], note["void"], note["person"]) for note in data["notes"]] == [
        (0, True, "ann"),
        (1, True, "ann"),
    ]
    assert data["best"] == {"tid": 2, "loss": 2.0}
    assert "never the best (ann, " in run(digits, "show", "digits", "0").stdout
    again = run(digits, "void", "digits", "0", "--reason", "leak")
    assert again.stderr == "digits: nothing to do: it is so already\n"
    back = run(digits, "unvoid", "digits", "1", "--reason", "fine")
    assert back.stderr == "digits: put back: trial 1; the best is trial 1 now, loss 1\n"


def test_notes_and_tags_of_trials_and_of_the_experiment_are_shown(digits: str) -> None:
    for args in (["note", "digits", "old labels"], ["note", "digits", "2", "throttled"],
                 ["tag", "digits", "thesis"], ["tag", "digits", "2", "baseline"]):  # fmt: skip
        assert run(digits, *args).exit_code == 0
    experiment, trial = run(digits, "show", "digits").stdout, run(digits, "show", "digits", "2").stdout
    assert "note old labels (ann, " in experiment
    assert "tags thesis" in experiment
    assert "note throttled (ann, " in trial
    assert "tags baseline" in trial
    assert json.loads(run(digits, "show", "digits", "--json").stdout)["tags"] == ["thesis"]


def test_a_correction_without_a_reason_or_of_no_trial_is_refused(digits: str) -> None:
    assert run(digits, "void", "digits", "1").exit_code == 2
    assert run(digits, "note", "digits", "1", "two", "words").exit_code == 2
    assert run(digits, "void", "digits", "9", "--reason", "r").exit_code == 3
    refused = run(digits, "amend", "digits", "1", "--reason", "r")
    assert refused.exit_code == 2
