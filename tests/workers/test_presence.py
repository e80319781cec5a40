"""A worker's entry among the workers of a store: it is gone with the worker."""

import threading
from typing import Any

import pytest

from hstore.store.claims import Claims
from hstore.store.store import Store
from hstore.workers.crowd import Crowd
from hstore.workers.presence import Presence


def test_an_entry_that_is_being_written_is_gone_once_its_worker_has_left(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = mongo_store.claims
    presence = Presence(claims, "s", "w", seconds=60.0, about=lambda: {"experiments": []}, crowd=Crowd(claims))
    presence.enter()
    assert [each["_id"] for each in claims.workers()] == ["w"]
    write, is_writing, may_write = Claims.announce, threading.Event(), threading.Event()

    def slowly(*given: Any, **named: Any) -> None:
        is_writing.set()
        may_write.wait()
        write(*given, **named)

    monkeypatch.setattr(Claims, "announce", slowly)
    announcing = threading.Thread(target=presence.announce)
    announcing.start()
    is_writing.wait()
    leaving = threading.Thread(target=presence.leave)
    leaving.start()
    may_write.set()
    for thread in (announcing, leaving):
        thread.join()
    assert claims.workers() == []
    presence._written = -1e9, None
    presence.announce()
    assert claims.workers() == []
