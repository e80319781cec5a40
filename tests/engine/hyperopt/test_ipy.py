"""What hyperopt had for IPython.parallel says what to use instead."""

import pytest

from hstore.engine.hyperopt.ipy import IPYAsync, IPythonTrials, LostEngineError, call_domain
from hstore.store.errors import HstoreError


@pytest.mark.covers("ipy.IPythonTrials", "ipy.IPYAsync", "ipy.call_domain", "ipy.LostEngineError")
def test_trials_on_ipython_parallel_say_what_to_use_instead() -> None:
    for make in (IPythonTrials, IPYAsync, call_domain):
        with pytest.raises(HstoreError, match=r"is for IPython\.parallel, which ended with IPython 4") as caught:
            make()
        assert "workers=N" in caught.value.hint
    assert issubclass(LostEngineError, RuntimeError)
