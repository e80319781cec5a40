"""The constants of hyperopt are those of hyperopt."""

from importlib import import_module

import pytest

MODULES = ("", ".base", ".mongoexp", ".spark", ".sklearn")
"""Where hyperopt binds them; here `.base` has them all."""


@pytest.mark.covers("base.STATUS_*", "base.JOB_STATES", "base.JOB_STATE_*", "base.JOB_VALID_STATES", "base.TRIAL_*KEYS")
@pytest.mark.parametrize("module", MODULES)
def test_states_statuses_and_keys_have_hyperopts_values(module: str) -> None:
    theirs, ours = import_module(f"hyperopt{module}"), import_module("hstore.base")
    constants = [name for name in vars(theirs) if name.startswith(("STATUS_", "JOB_", "TRIAL_"))]
    assert constants
    for name in constants:
        expected = getattr(theirs, name)
        assert type(expected)(getattr(ours, name)) == expected, name
