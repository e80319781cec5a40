"""Processes of one machine take turns at adding trials to a study, and go on without where that takes too long."""

from __future__ import annotations

import threading
import uuid

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

import optuna

from hstore.engine.optuna import turns
from hstore.engine.optuna.hstore_storage import HstoreStorage
from hstore.engine.optuna.turns import Turns
from hstore.store.mongo import MongoLog


def test_a_turn_says_how_many_trials_there_were_after_the_last_one() -> None:
    url = uuid.uuid4().hex
    one, other = Turns(url), Turns(url)
    with one.of("e") as turn:
        assert turn.made == 0
        turn.note(7)
    with other.of("e") as turn:
        assert turn.made == 7
    with other.of("another") as turn:
        assert turn.made == 0


def test_a_process_that_does_not_get_a_turn_goes_on_and_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONGEST", 0.01)
    monkeypatch.setattr(turns, "RACING", 600.0)
    url = uuid.uuid4().hex
    one, other = Turns(url), Turns(url)
    with one.of("e") as held, other.of("e") as without:
        held.note(3)
        assert without.made == 0
        monkeypatch.setattr(turns, "LONGEST", 600.0)
        without.note(9)
        with other.of("another"):
            pass
    with one.of("e") as turn:
        assert turn.made == 3
    monkeypatch.setattr(turns, "RACING", 0.0)
    with other.of("e") as turn:
        assert turn.made == 3, "the thread that waited for the turn that was given up has let go of it"


def test_storages_that_take_turns_do_not_race_for_numbers(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONGEST", 600.0)
    lost: list[object] = []
    confirm = MongoLog._confirm_durable

    def counting(log: MongoLog, *given: object) -> None:
        lost.append(given)
        confirm(log, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(MongoLog, "_confirm_durable", counting)
    storages = [HstoreStorage(mongo_url) for _ in range(3)]
    optuna.create_study(storage=storages[0], study_name="shared")

    def add(storage: HstoreStorage) -> None:
        study = optuna.load_study(storage=storage, study_name="shared")
        for _ in range(8):
            study.tell(study.ask(), 1.0)

    threads = [threading.Thread(target=add, args=(storage,)) for storage in storages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not lost
    assert [trial.number for trial in storages[0].get_all_trials(storages[0].get_study_id_from_name("shared"))] == [
        *range(24)
    ]
    for storage in storages:
        storage.store.close()
