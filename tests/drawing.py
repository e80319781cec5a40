"""How many examples hypothesis draws: few and always the same in `make test`, many and new ones in `make faults`."""

from hypothesis import settings

USUAL = 40
settings.register_profile("usual", max_examples=USUAL, derandomize=True, database=None, deadline=None)
settings.register_profile("further", max_examples=10 * USUAL, deadline=None)
settings.load_profile("usual")  # an option of pytest chooses another one later


def examples(n: int) -> int:
    """Return *n*, or ten times as many where `--hypothesis-profile=further` was given."""
    return n * settings().max_examples // USUAL
