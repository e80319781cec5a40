"""The program under test as the harness starts it: a driver or a worker of hstore's, as they are, in a bad world.

    python -m faults.subject driver EXP MAX_EVALS SEED ALGORITHM
    python -m faults.subject worker [what `hstore worker` takes]

What is different about the world, `$FAULTS` says (JSON):

    acks      folder in which this process notes, per experiment, the ids of events that were acknowledged to it
    clock     seconds by which its clock is off
    aim       {"type", "side", "n", "signal"}: it sends itself a signal on one side of its n-th append of a type
    broken    name of one of `faults.broken.WAYS`: what is broken on purpose, for the negative controls
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hstore.store.events import Event


def shift_clock(seconds: float) -> None:
    """Put the clock of this process, as Python programs read it, off by so many *seconds*."""
    real_time, real_datetime = time.time, datetime.datetime

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real_datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real_datetime)

    class Shifted(real_datetime, metaclass=Kind):  # type: ignore[valid-type, misc]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real_datetime.now(tz) + datetime.timedelta(seconds=seconds)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    time.time = lambda: real_time() + seconds
    datetime.datetime = Shifted  # type: ignore[misc]


def note_acknowledged(folder: Path, aim: dict[str, Any] | None) -> None:
    """Have what `MongoLog.append` returned from be written down, and this process hit where *aim* says."""
    from hstore.store.mongo import MongoLog

    append = MongoLog.append
    seen = 0
    # Opened again for each note: a process that is killed leaves what it has written.

    def noted(log: MongoLog, events: Sequence[Event], **how: Any) -> None:
        nonlocal seen
        is_hit = False
        if aim is not None:
            before = seen
            seen += sum(event.type == aim["type"] for event in events)
            is_hit = before < aim["n"] <= seen
        if is_hit and aim is not None and aim["side"] == "before":
            os.kill(os.getpid(), aim["signal"])
        append(log, events, **how)
        _note(folder, events)
        if is_hit and aim is not None and aim["side"] == "after":
            os.kill(os.getpid(), aim["signal"])

    setattr(MongoLog, "append", noted)  # noqa: B010 - mypy has no word for it


def _note(folder: Path, events: Sequence[Event]) -> None:
    by_experiment: dict[str, list[bytes]] = {}
    for event in events:
        by_experiment.setdefault(event.exp, []).append(event.id.bytes)
    for exp, ids in by_experiment.items():
        file = os.open(folder / exp, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, b"".join(ids))
        finally:
            os.close(file)


def drive(experiment: str, max_evals: str, seed: str, algorithm: str) -> None:
    """Search as anybody would."""
    import numpy as np

    from faults.objectives import SPACE, objective
    from hstore import fmin
    from hstore.engine.algorithms import named

    fmin(
        objective, SPACE, algo=named(algorithm), max_evals=int(max_evals), rstate=np.random.default_rng(int(seed)),
        verbose=False, catch_eval_exceptions=True, return_argmin=False, experiment=experiment, workers=0,
        pruner="asha",
    )  # fmt: skip


def main() -> None:
    """Change the world, then be what the first argument says."""
    world = json.loads(os.environ.get("FAULTS", "{}"))
    if world.get("clock"):
        shift_clock(world["clock"])
    if world.get("broken"):
        from faults import broken

        broken.WAYS[world["broken"]].apply()
    note_acknowledged(Path(world["acks"]), world.get("aim"))
    role, *arguments = sys.argv[1:]
    if role == "driver":
        drive(*arguments)
        sys.stdout.flush()
        os._exit(0)
    from hstore.cli.app import main as hstore

    sys.argv = ["hstore", "--debug", role, *arguments]
    hstore()


if __name__ == "__main__":
    main()
