"""Labels on an axis: short, and never two alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore.engine.analysis.short_labels import middle_cut, short_labels
from hstore.store.terminal_text import display_width

PIPELINE = [f"pipeline__step_{n}__classifier__n_estimators" for n in (1, 2, 30)]


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["lr", "layers"], ["lr", "layers"]),
        (PIPELINE, ["…e__step_1__classi…", "…e__step_2__classi…", "…e__step_30__classi…"]),
        (["lr", *PIPELINE[:2]], ["lr", "…e__step_1__classi…", "…e__step_2__classi…"]),
        (["a" * 30], ["aaaaaaaaaa…aaaaaaaaa"]),
        (["x" * 20 + c + "y" * 20 for c in "ab"], ["xxxxxxxx…yyyyyyy (1)", "xxxxxxxx…yyyyyyy (2)"]),
        (["", "a\nb"], ["", r"a\nb"]),
        ([], []),
    ],
)
def test_what_long_labels_share_is_left_out(labels: list[str], shown: list[str]) -> None:
    assert short_labels(labels, 20) == shown


@given(st.lists(st.text(max_size=60), unique=True, max_size=8), st.integers(12, 40))
@settings(max_examples=examples(40), deadline=None)
def test_labels_fit(labels: list[str], width: int) -> None:
    assert all(display_width(text) <= width for text in short_labels(labels, width))
    assert all(display_width(middle_cut(text, width)) <= width for text in short_labels(labels, 10**6))
