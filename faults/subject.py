"""The program under test as the harness starts it: a driver or a worker of hstore's, as they are, in a bad world.

    python -m faults.subject driver EXP MAX_EVALS SEED ALGORITHM
    python -m faults.subject worker [what `hstore worker` takes]

What is different about the world, `$FAULTS` says (JSON):

    acks      folder in which this process notes what was acknowledged to it: see `faults.recorder`
    name      what it is called there
    released  whether it is of a released version, started before the store was migrated
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.recorder import Recorder, record, record_answers, record_losses

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


def aim_at(aim: dict[str, Any]) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return what is to be called before and after each append: this process is hit where *aim* says."""
    seen = 0
    is_hit = False

    def before(events: Sequence[Event]) -> None:
        nonlocal seen, is_hit
        n = seen
        seen += sum(event.type == aim["type"] for event in events)
        is_hit = n < aim["n"] <= seen
        if is_hit and aim["side"] == "before":
            os.kill(os.getpid(), aim["signal"])

    def after(_: Sequence[Event]) -> None:
        if is_hit and aim["side"] == "after":
            os.kill(os.getpid(), aim["signal"])

    return before, after


def drive(recorder: Recorder, experiment: str, max_evals: str, seed: str, algorithm: str) -> None:
    """Search as anybody would, and say what came of it. Ends the process with the code that `hstore` would use."""
    import numpy as np

    from faults import optuna_program
    from faults.objectives import SPACE, objective
    from hstore import fmin
    from hstore.engine.algorithms import named
    from hstore.store.errors import HstoreError

    answered = record_answers(recorder)
    try:
        if algorithm == optuna_program.ALGORITHM:
            optuna_program.search(recorder, experiment, int(max_evals), int(seed))
            return
        best = fmin(
            objective, SPACE, algo=named(algorithm), max_evals=int(max_evals), verbose=False, experiment=experiment,
            rstate=np.random.default_rng(int(seed)), catch_eval_exceptions=True, workers=0, pruner="asha",
        )  # fmt: skip
    except HstoreError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(error.exit_code)
    answered(experiment, best)


def main() -> None:
    """Change the world, then be what the first argument says."""
    world = json.loads(os.environ.get("FAULTS", "{}"))
    if world.get("clock"):
        shift_clock(world["clock"])
    is_today = not world.get("released")
    if not is_today:
        believe_schema()
    if world.get("broken"):
        from faults import broken

        broken.WAYS[world["broken"]].apply()
    recorder = Recorder(Path(world["acks"]), world["name"])
    before, after = aim_at(world["aim"]) if world.get("aim") else (None, None)
    record(recorder, before=before, after=after)
    if is_today:
        record_losses(recorder)
    role, *arguments = sys.argv[1:]
    if role == "driver":
        drive(recorder, *arguments)
        sys.stdout.flush()
        os._exit(0)
    from hstore.cli.app import main as hstore

    sys.argv = ["hstore", "--debug", role, *arguments]
    hstore()


def believe_schema() -> None:
    """Be a process of a released version that opened the store before it was migrated, and is still at work.

    One that is started later refuses a store that is newer than itself.
    """
    from hstore import migrations

    setattr(migrations, "status", lambda _: "current")  # noqa: B010 - mypy has no word for it


if __name__ == "__main__":
    main()
