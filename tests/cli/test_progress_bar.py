"""The progress bar of long commands."""

import sys

import pytest

from hstore.cli.progress_bar import progress


def test_without_a_stderr_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as after `hstore copy a b 2>&-`
    with progress("event", total=3) as on_progress:
        on_progress(3)
