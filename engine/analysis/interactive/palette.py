"""Colours of interactive figures, for dark and light, which people with any kind of colour vision can tell apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """What figures are drawn in; `cli/page/static/page.css` has the same for the rest of the page."""

    text: str
    grid: str
    done: str
    best: str
    failed: str
    muted: str
    """Pruned, void and infeasible trials."""
    series: tuple[str, ...]
    """Of up to six searches beside each other, and of what becomes of attempts."""
    ground: str
    """What the figure lies on."""


# Okabe and Ito, "Color Universal Design" (2008); on dark ground without its black and dark blue.
LIGHT = Palette(
    text="#33383f", grid="#e3e6ea", done="#0072b2", best="#d55e00", failed="#a3195b", muted="#8a929c",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9"),
    ground="#ffffff",
)  # fmt: skip
DARK = Palette(
    text="#c9d1d9", grid="#2c333c", done="#56b4e9", best="#e69f00", failed="#ff7ab2", muted="#7d8793",
    series=("#56b4e9", "#e69f00", "#2fd0a0", "#cc79a7", "#f0e442", "#0f8fd6"),
    ground="#1a1f26",
)  # fmt: skip
PALETTES = {"light": LIGHT, "dark": DARK}
SCALE = "Cividis256"
"""From good to bad losses: as even for those who do not see red or green."""
