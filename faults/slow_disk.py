"""SlowDisk: an embedded mongod whose disk can stop finishing what it writes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from hstore.store.mongod_program import find_mongod

FAIL_POINT = "pauseJournalFlusherThread"


class SlowDisk:
    """What a disk does that hangs for a while: reads are served from memory, and nothing that is written gets durable.

    It is MongoDB's own fail point that stops the thread which flushes the journal. What an application wrote meanwhile
    is in the memory of mongod, and gone if that is killed. Not simulated: a disk that is slow to read, or full.
    """

    def __init__(self, folder: Path) -> None:
        program = folder / "mongod"
        program.write_text(f'#!/bin/sh\nexec "{find_mongod()}" "$@" --setParameter enableTestCommands=1\n')
        program.chmod(0o755)
        self.environment = {"HSTORE_MONGOD": str(program)}
        self.database: Any = None
        self._before = os.environ.get("HSTORE_MONGOD")
        self._heal_at: float | None = None

    def enter(self) -> None:
        """Have the embedded servers of this process be of this kind from now on."""
        os.environ |= self.environment

    def leave(self) -> None:
        """Undo what `enter` did."""
        if self._before is None:
            os.environ.pop("HSTORE_MONGOD", None)
        else:
            os.environ["HSTORE_MONGOD"] = self._before

    def stall(self, seconds: float) -> bool:
        """Let the disk finish nothing for so long. Returns whether that could be done: not while mongod is away."""
        if self._heal_at is not None or not self._set("alwaysOn"):
            return False
        self._heal_at = time.monotonic() + seconds
        return True

    def heal_in_time(self) -> None:
        """Let it go on if its time has come."""
        if self._heal_at is not None and time.monotonic() >= self._heal_at:
            self.heal()

    def heal(self) -> None:
        """Let it go on; a mongod that was started again does so by itself."""
        self._set("off")
        self._heal_at = None

    def _set(self, mode: str) -> bool:
        from pymongo.errors import PyMongoError

        try:
            self.database.client.admin.command("configureFailPoint", FAIL_POINT, mode=mode)
        except PyMongoError:
            return False
        return True
