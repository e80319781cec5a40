"""The releases of MongoDB, and until when each gets security fixes. Pure."""

from __future__ import annotations

import datetime as dt

# From https://www.mongodb.com/legal/support-policy/lifecycles, as of November 2026. The releases between two major
# ones end with the next one.
END_OF_LIFE = {
    "3.6": dt.date(2021, 4, 30),
    "4.0": dt.date(2022, 4, 30),
    "4.2": dt.date(2023, 4, 30),
    "4.4": dt.date(2024, 2, 29),
    "5.0": dt.date(2024, 10, 31),
    "6.0": dt.date(2025, 7, 31),
    "7.0": dt.date(2027, 8, 31),
    "8.0": dt.date(2029, 10, 31),
    "8.2": dt.date(2026, 7, 31),
}


def end_of_life(version: str | None) -> dt.date | None:
    """Return the last day on which *version* ("6.0.27") gets security fixes; None for one that is not listed."""
    return None if version is None else END_OF_LIFE.get(".".join(version.split(".")[:2]))


def advice(version: str | None, today: dt.date) -> str:
    """Return what to do about a mongod of *version*; "" if it gets security fixes *today*, or is not known."""
    ended = end_of_life(version)
    if version is None or ended is None or today <= ended:
        return ""
    line = ".".join(version.split(".")[:2])
    newer = [other for other, end in END_OF_LIFE.items() if other > line and end >= today]
    which = f"mongod {newer[0]}" if newer else "a newer mongod"
    return (
        f"MongoDB {line} has had no security fixes since {ended}: copy the folder of `hstore db path`, then set "
        f"HSTORE_MONGOD to {which}, or HSTORE_URL to another server"
    )
