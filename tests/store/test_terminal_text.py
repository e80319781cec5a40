r"""Text from anywhere is printed as it is if it is plain, and escaped if it would steer or deceive a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hstore.store.errors import InvalidName
from hstore.store.terminal_text import JOINERS, display_width, printable, printable_lines, shortened
from hstore.store.values import check_name

FAMILY = "👨‍👩‍👧"
PERSIAN = "می‌خواهم"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ü, 漢字 and 👍🏽", "plain, ü, 漢字 and 👍🏽"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("gpj\u202eexe", r"gpj\u202eexe"),
        ("\u2066\u2069\u200f\u2028\ufeff\x7f", r"\u2066\u2069\u200f\u2028\ufeff\x7f"),
        ("\U000e0041\ue000\ud800", r"\U000e0041\ue000\ud800"),
        (FAMILY, FAMILY),
        (PERSIAN, PERSIAN),
        ("dig\u200dits", r"dig\u200dits"),
        ("\u200d👨\u200d", r"\u200d👨\u200d"),
        (7, "7"),
    ],
)
def test_what_is_shown_as_itself_stays_and_the_rest_is_escaped(text: object, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_control_or_format_character_is_left_but_joiners(text: str) -> None:
    shown = printable(text)
    assert all(c in JOINERS or unicodedata.category(c)[0] not in "CZ" or c == " " for c in shown)
    assert printable(shown) == shown
    assert printable_lines(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("漢字", 4), ("é", 1), ("👍", 2), ("👍🏽", 2), (FAMILY, 2), ("❤️", 2), ("🇩🇪", 2), ("", 0)],
)
def test_a_width_is_what_a_terminal_shows(text: str, width: int) -> None:
    assert display_width(text) == width


def test_a_text_is_cut_by_its_width() -> None:
    assert shortened("漢字漢字", 8) == "漢字漢字"
    assert shortened("漢字漢字", 6) == "漢字…"
    assert shortened(f"a{FAMILY}{FAMILY}", 4) == f"a{FAMILY}…"


def test_an_experiment_may_be_named_by_emoji_but_not_by_what_deceives() -> None:
    assert check_name(f"our {FAMILY}") == f"our {FAMILY}"
    for name in ("dig\u200dits", "a\u202eb", "a\nb", "\u200d"):
        with pytest.raises(InvalidName, match="must not contain"):
            check_name(name)
