"""Command lines are kept without what is likely to be a secret."""

import pytest

from hstore.engine.provenance.command_line import HIDDEN, LONGEST_WORD, MOST_WORDS, without_secrets


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--store", "mongodb://me:p@ss/w@host/db?tls=true"], ["--store", f"mongodb://{HIDDEN}@host/db?tls=true"]),
        (["https://token@github.com/a/b"], [f"https://{HIDDEN}@github.com/a/b"]),
        (["--password", "hunter2", "--epochs", "3"], ["--password", HIDDEN, "--epochs", "3"]),
        (["--api-key=k", "-P", "x"], [f"--api-key={HIDDEN}", "-P", "x"]),
        (["DB_PASSWORD=x", "env", "accessToken=y"], [f"DB_PASSWORD={HIDDEN}", "env", f"accessToken={HIDDEN}"]),
        (["http://host/p?token=abc&n=3"], [f"http://host/p?token={HIDDEN}&n=3"]),
        (["-H", "Authorization: Bearer abcdefgh1234"], ["-H", f"Authorization: {HIDDEN}"]),
        (["-H", "authorization: token short"], ["-H", f"authorization: {HIDDEN}"]),
        (['{"secret": "a b", "lr": 0.1}'], [f'{{"secret": {HIDDEN}, "lr": 0.1}}']),
        (["hf_abcdefghijklmnopqrstuvwx"], [HIDDEN]),
        (["--max-tokens", "5", "--tokenizer=bert", "--author", "ann", "--sort-key", "x"],) * 2,
        (["--password", "--verbose"],) * 2,
        (["a\udcffb", "\x1b[31m"], ["a\\udcffb", "\x1b[31m"]),
    ],
)
def test_what_is_likely_to_be_a_secret_is_hidden_and_nothing_else(given: list[str], kept: list[str]) -> None:
    assert without_secrets(given) == kept


def test_a_long_command_line_is_cut() -> None:
    kept = without_secrets(["x" * 5000, *"a" * 200])
    assert len(kept) == MOST_WORDS + 1
    assert len(kept[0]) == LONGEST_WORD + 1
    assert kept[-1] == "… and 101 more"
