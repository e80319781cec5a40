"""Objects of the hyperopt that is installed, which a program may hand to hstore by mistake: recognised, and read."""

from __future__ import annotations

from typing import Any

from hstore.engine.hyperopt.trials import Trials, trials_from_docs


def trials_of(given: Any) -> Trials | None:
    """Return copies of the trials that *given* holds, if it is a `Trials` of hyperopt's own; else None."""
    is_theirs = any(kind.__module__ == "hyperopt.base" and kind.__name__ == "Trials" for kind in type(given).__mro__)
    if not is_theirs or isinstance(given, Trials):
        return None
    return trials_from_docs(given._dynamic_trials, exp_key=given._exp_key)
