"""A table of measurements, and the goal that each is held to."""

from collections.abc import Sequence


def show(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print *rows*, the first of which names the columns."""
    print(f"\n## {title}\n")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), flush=True)


def verdict(ratio: float, goal: float, *, at_most: bool = True) -> str:
    """Return *ratio* beside its goal."""
    is_met = ratio <= goal if at_most else ratio >= goal
    return f"{ratio:.2f} (goal {'≤' if at_most else '≥'} {goal:g}: {'met' if is_met else 'MISSED'})"
