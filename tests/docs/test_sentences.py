"""What README and docs promise in words: each sentence with a "never" or "always" names the test that shows it.

Numbers that the pages state are compared with the program's; those that were measured are in `docs/decisions` and in
`make bench`, which repeats them.
"""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from hstore import Trials, fmin, hp, pruners, rand
from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.pruners.hyperband import brackets
from hstore.engine.search.defaults import RETRIES
from hstore.engine.search.options import ParallelOptions
from hstore.engine.space import compile_space
from hstore.store import errors
from hstore.store.events import EVENT_BYTES
from hstore.store.keep_output import KEEP_OUTPUT
from hstore.workers.child import TAIL_BYTES
from hstore.workers.worker_options import WorkerOptions

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]

SHOWN_BY = {
    "as events that never change": "tests/docs/test_sentences.py::test_the_log_is_only_ever_inserted_into",
    "It is never changed or removed.": "tests/docs/test_sentences.py::test_the_log_is_only_ever_inserted_into",
    "Documents are inserted, never changed or removed": "tests/migrations/test_roles.py::"
    "test_nobody_but_the_owner_can_touch_what_is_there",
    "Clocks of workers are never compared.": "tests/workers/test_lease.py::"
    "test_a_clock_of_the_server_that_leaps_takes_nothing_away_at_once",
    "Clocks of workers are never compared, so no other date will do.": "tests/workers/test_lease.py::"
    "test_a_clock_of_the_server_that_leaps_takes_nothing_away_at_once",
    "NaN is recorded, and never the best": "tests/engine/test_fmin_results.py::"
    "test_failed_and_nan_losses_are_kept_apart_from_the_best",
    "and always in workers, only that": "tests/workers/test_worker.py::"
    "test_failures_in_a_row_have_an_exit_code_of_their_own",
    "`list(hp.uniform(…))` never ends | TypeError": "tests/engine/space/test_complaints.py::"
    "test_iterating_over_a_node_of_unknown_length_ends",
    "An error never means": "tests/store/test_mongo.py::",
    "one that never does": "tests/docs/test_sentences.py::test_most_trials_of_hyperband_stop_early_and_few_never",
    "in the one that never stops": "tests/docs/test_sentences.py::"
    "test_most_trials_of_hyperband_stop_early_and_few_never",
    "or never\nasks, the trial ends like any other": "tests/engine/evaluation/test_pruning.py::",
    "one that was never interrupted": "tests/docs/test_pages.py::test_a_page_runs_and_prints_what_it_states",
    "they never change or remove an event": "tests/migrations/test_migrations.py::"
    "test_a_store_of_each_release_is_lifted_read_and_replayed",
    "Of a version that was never\nreleased": "tests/engine/audit/test_replay.py::",
    "or violate a constraint are never recommended": "tests/engine/search/test_recommendation.py::"
    "test_void_pruned_infeasible_and_failed_trials_are_not_recommended",
    "and not always by another": "tests/engine/test_fmin.py::test_a_file_of_trials_is_saved_and_continued",
}
"""A piece of each such sentence, and what shows it: a test, or the tests of a file."""
INSTRUCTIONS = ("Never change or remove an event. [A role]", 'keep_output="always"', '`"never"` of none')
"""What tells readers to do something, and names of values."""


def prose(page: Path) -> str:
    """Return the text of *page* without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_never_and_always_has_a_test(page: Path) -> None:
    if page.name == "hyperopt-names.md":  # generated; it names the tests of each line
        return
    text = prose(page)
    known = [
        (match.start(), match.end())
        for piece in (*SHOWN_BY, *INSTRUCTIONS)
        for match in re.finditer(re.escape(piece).replace(r"\n", r"\s+").replace("\\\n", r"\s+"), text)
    ]
    unknown = [
        text[max(0, found.start() - 60) : found.end() + 40]
        for found in re.finditer(r"\b([Nn]ever|[Aa]lways)\b", text)
        if not any(start <= found.start() < end for start, end in known)
    ]
    assert unknown == []


def test_the_tests_that_show_sentences_are_there_and_the_sentences_too() -> None:
    text = " ".join("\n".join(map(prose, PAGES)).split())
    for piece, shown_by in SHOWN_BY.items():
        assert " ".join(piece.split()) in text, f"no page says {piece!r} any more"
        file, _, name = shown_by.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(), f"{shown_by} is not there to show {piece!r}"


def test_the_log_is_only_ever_inserted_into() -> None:
    for folder in ("store", "engine", "workers", "cli"):
        for file in (ROOT / folder).rglob("*.py"):
            called = set(re.findall(r"\b_?events(?:\"\])?\.(\w+)\(", file.read_text()))
            written = {name for name in called if re.match(r"update|replace|delete|drop|bulk|find_one_and", name)}
            assert not written, f"{file} calls {written} of the collection events"


def test_most_trials_of_hyperband_stop_early_and_few_never() -> None:
    wave = brackets(3, 1, 81)
    shares = [round(100 * wave.count(first) / len(wave), 1) for first in (1, 81)]
    assert shares == [56.6, 3.5]
    assert (
        "57 % of the trials are in the bracket that stops earliest, and 3.5 %" in (ROOT / "docs/pruning.md").read_text()
    )


def test_max_evals_counts_trials_that_raised() -> None:
    calls: list[float] = []

    def fragile(x: float) -> float:
        calls.append(x)
        if len(calls) % 2:
            raise ValueError("odd")
        return x

    trials = Trials()
    fmin(
        fragile, hp.uniform("x", 0, 1), algo=rand.suggest, max_evals=6, trials=trials, rstate=0,
        catch_eval_exceptions=True, verbose=False,
    )  # fmt: skip
    assert (len(calls), len(trials.trials), len(trials.experiment.trials)) == (6, 3, 6)


def test_defaults_are_those_that_the_pages_state() -> None:
    options, worker = ParallelOptions.of(), WorkerOptions()
    assert RETRIES == options.retries == {"lost": 2, "interrupted": 2, "failed": 0, "timeout": 0}
    assert (options.grace, worker.grace, worker.lease) == (10, 10, 60)
    assert (TAIL_BYTES, EVENT_BYTES, KEEP_OUTPUT[0]) == (64 * 1024, 64 * 1024, "failed")
    assert ALGORITHMS["mtpe"].defaults.items() >= {
        "n_startup_jobs": 15, "n_EI_candidates": 64, "gamma": 0.1, "prior_weight": 1.0, "repeats": False,
    }.items()  # fmt: skip
    assert ALGORITHMS["cmaes"].defaults.items() >= {"sigma0": 0.25, "n_population": 0}.items()
    assert pruners.asha.defaults == {"reduction": 3, "min_steps": 1, "max_steps": None}
    assert pruners.auto.defaults == {"chance": 0.5, "startup_trials": 5, "min_steps": 1, "max_steps": None}
    assert pruners.hyperband.defaults == {"reduction": 3, "min_steps": 1, "max_steps": 81}
    assert pruners.median.defaults == {"startup_trials": 5, "min_steps": 1}


def test_exit_codes_are_those_that_the_pages_state() -> None:
    codes = {
        "InvalidValue": 2, "NotFound": 3, "StoreUnreachable": 5, "VerificationFailed": 6, "StoreRewound": 10,
    }  # fmt: skip
    assert {name: getattr(errors, name).exit_code for name in codes} == codes


def test_spaces_draw_what_the_page_says() -> None:
    def drawn(space: object) -> np.ndarray:
        compiled = compile_space(space)
        rng = np.random.default_rng(0)
        return np.array([compiled.sample(rng)["x"] for _ in range(2000)])

    in_log = drawn(hp.loguniform("x", math.log(1e-5), 0))
    assert [round(np.mean((in_log >= 10.0**k) & (in_log < 10.0 ** (k + 1))), 1) for k in range(-5, 0)] == [0.2] * 5
    assert round(np.mean(drawn(hp.uniform("x", 1e-5, 1)) > 0.1), 1) == 0.9
    assert set(drawn(hp.quniform("x", 0.4, 2.6, 1))) == {0, 1, 2, 3}
