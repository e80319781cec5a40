"""What a person does on the page: the same requests as `hstore pause`, `resume`, `stop` and `retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hstore.cli.pause import reason
from hstore.engine.search import control
from hstore.store.errors import InvalidValue

if TYPE_CHECKING:
    from hstore.store.store import Store

ACTIONS = ("pause", "resume", "stop", "retry")
LONGEST_WHY = 500
DONE = {"pause": "paused", "resume": "resumed", "stop": "stopped", "retry": "retried"}


def act(store: Store, wanted: Any) -> dict[str, Any]:
    """Carry out *wanted*: `name`, `do` (one of `ACTIONS`), and perhaps `why`, `now` and for a retry `tids`.

    Return `written` (types of the events that were appended), `status` and `running`. Raises `InvalidValue` for
    anything else, and what `control` raises.
    """
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str) or wanted.get("do") not in ACTIONS:
        raise InvalidValue(f"an action is JSON with name and do, one of {', '.join(ACTIONS)}")
    do, why, now = wanted["do"], wanted.get("why") or "", wanted.get("now", False)
    if not isinstance(why, str) or len(why) > LONGEST_WHY or not isinstance(now, bool):
        raise InvalidValue(f"why is a text of at most {LONGEST_WHY} characters, now is true or false")
    experiment = store.experiment(wanted["name"])
    told = reason(DONE[do], f"on the page{': ' if why else ''}{why}")
    if do == "pause":
        outcome = control.pause(experiment, told, now=now)
    elif do == "resume":
        outcome = control.resume(experiment, told)
    elif do == "stop":
        outcome = control.stop(experiment, told, now=now)
    else:
        outcome = control.retry(experiment, _which(wanted.get("tids")), told)
    return {
        "written": [event.type for event in outcome.written], "status": outcome.status,
        "running": list(outcome.running),
    }  # fmt: skip


def _which(tids: Any) -> Any:
    if tids in ("failed", "lost"):
        return tids
    if isinstance(tids, list) and tids and all(type(tid) is int and tid >= 0 for tid in tids):
        return tids
    raise InvalidValue('tids are the numbers of trials, or "failed" or "lost"')
