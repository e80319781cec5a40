"""Who holds a trial: a process is told from all others, and known to be gone only when it is."""

import subprocess
import sys
import uuid
from typing import Any

import psutil
import pytest

from hstore.engine.evaluation.process_identity import is_dead, this_process
from hstore.store.events import Queued, Reserved
from hstore.store.experiment import now
from hstore.store.fold import Trial, evolve

TELL = "from hstore.engine.evaluation.process_identity import this_process; print(this_process()); input()"


def held_by(process: dict[str, Any]) -> Trial:
    common: dict[str, Any] = {"exp": "e", "tid": 0, "at": now(), "by": "h:1:MainThread"}
    queued = Queued(ver=0, id=uuid.uuid4(), point={}, params={}, **common)
    taken = Reserved(ver=1, id=uuid.uuid4(), worker="h:1:none", host="h", attempt=1, process=process, **common)
    return evolve(evolve(None, queued), taken)


@pytest.fixture
def other() -> Any:
    """A process that says who it is."""
    with subprocess.Popen([sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_process_is_gone_when_it_has_ended(other: Any) -> None:
    found = eval(other.stdout.readline())
    assert not is_dead(held_by(found), is_local=False)
    other.kill()
    other.wait()
    assert is_dead(held_by(found), is_local=False)


def test_another_process_of_its_number_is_another_process(other: Any) -> None:
    found = eval(other.stdout.readline())
    assert is_dead(held_by({**found, "started": found["started"] - 1}), is_local=False)


def test_a_process_is_still_there_after_the_clock_of_the_system_was_set(
    other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = eval(other.stdout.readline())
    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 3600)
    if sys.platform == "linux":
        assert not is_dead(held_by(found), is_local=False)


def test_a_process_of_another_machine_is_gone_only_if_there_is_no_other_machine() -> None:
    elsewhere = {**this_process(), "machine": "another"}
    assert not is_dead(held_by(elsewhere), is_local=False)
    assert is_dead(held_by(elsewhere), is_local=True)
