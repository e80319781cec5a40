"""Faults of a replica set: what happens to its primary."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from replica_set import Member, ReplicaSet
from tests.waiting import until

if TYPE_CHECKING:
    from random import Random

    from faults.world import World


class ReplicaFaults:
    """Hurts one member of the replica set of *world* at a time, and mends it later."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hurt: tuple[float, Member] | None = None
        """When to mend which member."""

    @property
    def replicas(self) -> ReplicaSet | None:
        """The set, in a world that has one."""
        return self.world.replicas

    @property
    def rng(self) -> Random:
        """That of the round."""
        return self.world.rng

    def mend_in_time(self) -> None:
        """Mend the member that was hurt if its time has come."""
        if self.hurt is not None and time.monotonic() >= self.hurt[0]:
            self._mend()

    def mend(self) -> None:
        """Have all members run."""
        if self.hurt is not None:
            self._mend()
        if self.replicas is not None:
            self.replicas.start()

    def _mend(self) -> None:
        assert self.hurt is not None
        _, member = self.hurt
        self.hurt = None
        if member.is_frozen:
            member.thaw()
        member.start()

    # -- what can happen; each returns whether it did ---------------------------------------------------------

    def _primary(self) -> Member | None:
        """Return the primary of a set that is whole, None if it is not the moment to hurt it."""
        if self.replicas is None or self.hurt is not None or not self.replicas.is_in_sync():
            return None
        return self.replicas.primary()

    def kill_primary(self) -> bool:
        if (primary := self._primary()) is not None:
            primary.kill()
            self.hurt = time.monotonic() + self.rng.uniform(0.5, 2.0), primary
        return primary is not None

    def freeze_primary(self) -> bool:
        if (primary := self._primary()) is not None:
            primary.freeze()
            self.hurt = time.monotonic() + self.rng.uniform(1.5, 4.0), primary
        return primary is not None

    def cut_off_primary(self) -> bool:
        """Lose the primary, and with it what it accepted while no secondary followed."""
        primary = self._primary()
        if primary is None or self.replicas is None:
            return False
        secondaries = [member for member in self.replicas.members if member is not primary]
        for secondary in secondaries:
            secondary.freeze()
        with contextlib.suppress(TimeoutError, OSError, KeyError):
            until(primary.has_uncommitted, "a write that no secondary replicates", seconds=1.0)
            time.sleep(0.2)  # so that there are more of them
        primary.kill()
        for secondary in secondaries:
            secondary.thaw()
        self.hurt = time.monotonic() + self.rng.uniform(0.5, 2.0), primary
        return True

    def step_down(self) -> bool:
        if (primary := self._primary()) is not None:
            with contextlib.suppress(OSError):
                primary.ask({"replSetStepDown": 3, "force": True}, timeout=10)
        return primary is not None
