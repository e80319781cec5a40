"""The documents of a busy search are written by a thread that ends when the search does."""

from __future__ import annotations

import threading

import pytest
from tests.waiting import GENEROUS

from hstore.store import soon_written
from hstore.store.null_objects import NoReadModels
from hstore.store.soon_written import SoonWritten


class Models(NoReadModels):
    """Notes that it was asked to write, and may be kept from it."""

    def __init__(self) -> None:
        self.wrote, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()

    def write_waiting_trials(self) -> None:
        self.wrote.set()
        assert self.may_go_on.wait(GENEROUS)


def test_what_was_asked_for_is_written_and_the_thread_ends() -> None:
    models = Models()
    soon = SoonWritten(models, seconds=0.0)
    soon.ask()
    assert models.wrote.wait(GENEROUS)
    soon.stop()
    assert soon._thread is not None
    assert not soon._thread.is_alive()


def test_it_ends_if_it_is_stopped_just_as_it_wakes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    soon = SoonWritten(Models(), seconds=0.0)
    clear = soon._is_asked.clear

    def is_stopped_before() -> None:
        soon._is_stopping.set()
        soon._is_asked.set()
        clear()

    monkeypatch.setattr(soon._is_asked, "clear", is_stopped_before)
    soon.ask()
    assert soon._thread is not None
    soon._thread.join(GENEROUS)
    assert not soon._thread.is_alive()


def test_a_server_that_is_away_keeps_no_search_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soon_written, "AWAY_SECONDS", 0.01)
    models = Models()
    models.may_go_on.clear()
    soon = SoonWritten(models, seconds=0.0)
    soon.ask()
    assert models.wrote.wait(GENEROUS)
    soon.stop()
    assert soon._thread is not None
    assert soon._thread.is_alive()
    models.may_go_on.set()
    soon._thread.join(GENEROUS)
    assert not soon._thread.is_alive()
