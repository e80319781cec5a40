"""`hstore doctor`: a line for each check, and an exit code."""

import json

from tests.cli.commands import run


def test_a_sound_store_ends_with_0_and_one_that_is_away_with_1(mongo_url: str) -> None:
    sound = run(mongo_url, "doctor", "--json")
    answer = json.loads(sound.stdout)
    assert (sound.exit_code, answer["is_ok"]) == (0, True)
    assert all(each.keys() == {"check", "level", "message", "todo"} for each in answer["checks"])
    away = run("nonsense", "doctor")
    assert away.exit_code == 1
    assert "problem  connection" in away.stdout
    assert "example: mongodb://" in away.stdout
