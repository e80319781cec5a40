"""A worker tells of each trial that fails, and keeps what trials print as the search wants it."""

import pytest
from tests.workers import objectives
from tests.workers.serving import begin, ran

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
