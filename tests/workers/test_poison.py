"""One bad document stops no other experiment: a worker of all leaves the one that it cannot digest, and says so."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from pymongo.database import Database
from tests.waiting import until
from tests.workers.serving import begin, ran

from hstore.store.errors import Indigestible, StoreRewound
from hstore.store.events import Noted
from hstore.store.experiment import Experiment
from hstore.store.keys import new_key
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.workers.reaper import Reaper


def square(config: dict[str, float]) -> float:
    return config["x"] ** 2


def test_a_worker_of_all_experiments_serves_the_others_whatever_is_in_one(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    poisons: dict[str, dict[str, Any]] = {
        "a pickle that is none": {"data.objective.pickle": 5},
        "a pickle without its sum": {"data.objective.pickle": {}},
        "a reference that is none": {"data.objective.ref": 5, "data.objective.pickle": None},
        "no space": {"data.space": {}},
        "a deep space": {"data.space": {"v": 1, "expression": [[[[]]]]}},
    }
    for name, changes in poisons.items():
        begin(mongo_store, name, square, 1)
        database["events"].update_one({"exp": name, "type": "created"}, {"$set": changes})
    begin(mongo_store, "retries", square, 1)
    database["events"].update_one({"exp": "retries", "type": "created"}, {"$set": {"data.retries": {"failed": "x"}}})
    begin(mongo_store, "a stray", square, 2)
    copied = database["events"].find_one({"exp": "a stray", "tid": 1}) or {}
    far = {**copied, "_id": uuid.uuid4(), "ver": 7, "type": "noted"}
    database["events"].insert_one(far, bypass_document_validation=True)
    begin(mongo_store, "good", square, 2)
    code, said = ran(mongo_url, "--burst", "--isolate", "none")
    assert code == 0
    for name in poisons:
        assert said.count(f"skipping {name!r}") == 1, (name, said)
        assert mongo_store.experiment(name).state.counts == {"queued": 1}
    assert mongo_store.experiment("good").state.counts == {"done": 2}
    assert mongo_store.experiment("a stray").state.counts == {"done": 1, "unreadable": 1}
    assert "trial 1 of 'a stray' is left as it is: event 7 of trial 1 is there without event 1" in said


def test_a_worker_that_meets_a_rewound_store_in_one_experiment_goes_on_with_the_others(
    mongo_url: str, mongo_store: Store, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(mongo_store, "rewound", square, 1)
    begin(mongo_store, "good", square, 2)

    def lost(self: Experiment, tids: Any, load: Any = Experiment.load_trials) -> Any:
        if self.name == "rewound":
            raise StoreRewound("the store lost an event of 'rewound'")
        return load(self, tids)

    monkeypatch.setattr(Experiment, "load_trials", lost)
    code, said = ran(mongo_url, "--burst", "--isolate", "none")
    assert (code, said.count("skipping 'rewound': the store lost an event")) == (0, 1)
    assert mongo_store.experiment("good").state.counts == {"done": 2}
    code, said = ran(mongo_url, "--isolate", "none")  # which leaves when it is idle: a new worker continues
    assert (code, "exiting: the store lost events of 'rewound'" in said) == (StoreRewound.exit_code, True)
    code, said = ran(mongo_url, "rewound", "--burst", "--isolate", "none")
    assert (code, "the store lost an event of 'rewound'" in said) == (StoreRewound.exit_code, True)


def test_a_worker_for_an_indigestible_experiment_alone_exits_and_says_why(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    begin(mongo_store, "e", square, 1)
    database["events"].update_one({"exp": "e", "type": "created"}, {"$set": {"data.objective.pickle": 5}})
    code, said = ran(mongo_url, "e", "--burst", "--isolate", "none")
    assert code == Indigestible.exit_code
    assert "experiment 'e' cannot be handled" in said


def test_a_burst_ends_although_a_queued_trial_cannot_be_read(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    begin(mongo_store, "e", square, 2)
    database["events"].update_one({"exp": "e", "tid": 1, "ver": 0}, {"$set": {"v": 9}})  # a newer program queued it
    code, said = ran(mongo_url, "e", "--burst", "--isolate", "none")
    assert "trial 1 of 'e' is left as it is: its event 0 cannot be read by this program" in said
    assert code == 0
    code, said = ran(mongo_url, "e", "--burst", "--isolate", "none")  # nothing but that is left
    assert code == 6
    assert "is queued that this program can read" in said
    assert mongo_store.claims.workers() == []  # neither stays listed


def test_with_a_key_a_worker_leaves_the_trial_that_nobody_signed_and_evaluates_the_others(
    mongo_url: str, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSTORE_KEY", new_key())
    with open_store(mongo_url) as store:
        begin(store, "e", square, 3)
    database["events"].update_one({"exp": "e", "tid": 2, "ver": 0}, {"$unset": {"mac": 1}})
    code, said = ran(mongo_url, "e", "--burst", "--isolate", "none")
    assert (code, said.count("event 0 of trial 2 is not signed")) == (0, 1)
    with open_store(mongo_url) as store:
        experiment = store.experiment("e")
        assert experiment.state.counts == {"done": 2, "queued": 1}
        experiment.check_signatures()
        assert experiment.state.counts == {"done": 2}


def test_the_reaper_skips_an_experiment_that_it_cannot_digest_and_says_so_once(
    mongo_store: Store, database: Database[Any], messages: list[str]
) -> None:
    begin(mongo_store, "bad", square, 1)
    good = begin(mongo_store, "good", square, 1)
    database["trials"].update_one({"exp": "bad"}, {"$set": {"ver": "x", "state": "running", "lease": 5}})
    database["events"].update_one({"exp": "bad", "type": "created"}, {"$set": {"data.limits": {"max_evals": "x"}}})
    good.append(good.compose((Noted, None, {"note": "x"})))
    database["trials"].delete_many({"exp": "good"})
    reaper = Reaper(mongo_store)
    for _ in range(2):
        reaper._repaired = -1e9
        reaper.run_once(["bad", "good"])
    until(lambda: database["trials"].count_documents({"exp": "good"}) == 1)  # what is not yet of a majority is not seen
    assert sum("the reaper skips 'bad'" in message for message in messages) <= 1
