"""What an algorithm raises when it has no point left."""


class Exhausted(Exception):
    """Raised by an algorithm that has no point left: the search ends, as after an empty list in hyperopt."""
