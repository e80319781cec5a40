"""Names and numbers: which experiment a study of Optuna is, and which trial one of its numbers stands for."""

from __future__ import annotations

import hashlib

from hstore.store.errors import InvalidName
from hstore.store.values import MAX_NAME, check_name

TRIAL_BITS = 21
"""With the 31 bits of a study's number they fit into a number of JavaScript's."""
MOST_TRIALS = 1 << TRIAL_BITS
"""In one study."""


def study_number(experiment: str) -> int:
    """Return the number that Optuna knows *experiment* by: 31 bits of a hash of its name."""
    return int.from_bytes(hashlib.sha256(experiment.encode()).digest()[:4], "big") >> 1


def number_of_trial(study: int, tid: int) -> int:
    """Return the number that Optuna knows trial *tid* of *study* by, among those of all studies."""
    return study << TRIAL_BITS | tid


def study_and_tid(trial: int) -> tuple[int, int]:
    """Return of which study, and which trial of it, *trial* is the number."""
    return trial >> TRIAL_BITS, trial & ((1 << TRIAL_BITS) - 1)


def experiment_name(study: str, nth: int = 0) -> str:
    """Return the name of the experiment for a study of Optuna's: its own, or a hash of one that hstore does not allow.

    nth: how many studies of that name were deleted before; hstore deletes nothing.
    """
    try:
        name = check_name(study)
    except InvalidName:
        name = "optuna-" + hashlib.sha256(study.encode(errors="surrogatepass")).hexdigest()[:16]
    return name if nth == 0 else f"{name[: MAX_NAME - 8]}~{nth}"
