"""What a person does on the page: the same requests as the commands of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hstore.cli.pause import reason
from hstore.engine.search import control
from hstore.store.errors import InvalidValue
from hstore.store.events import AMENDABLE

if TYPE_CHECKING:
    from hstore.store.store import Store

CONTROLS = ("pause", "resume", "stop", "retry")
CORRECTIONS = ("void", "unvoid", "amend", "note", "tag", "archive", "unarchive")
ACTIONS = (*CONTROLS, *CORRECTIONS, "fork")
LONGEST_WHY = 2000
LONGEST_PERSON = 200
DONE = {"pause": "paused", "resume": "resumed", "stop": "stopped", "retry": "retried"}


def act(store: Store, wanted: Any) -> dict[str, Any]:
    """Carry out *wanted*: `name`, `do` (one of `ACTIONS`), and perhaps `why`, `now` and for a retry `tids`.

    A correction takes `why` (of a note its text, of a tag the tag), `person`, `tid` or `tids`, and to amend `loss`,
    `losses` or `constraints`. A fork takes the name of the new search as `why`, and `at`.
    Return `written` (types of the events that were appended), `status` and `running`.
    Raises `InvalidValue` for anything else, and what `control` and `Correctable` raise.
    """
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str) or wanted.get("do") not in ACTIONS:
        raise InvalidValue(f"an action is JSON with name and do, one of {', '.join(ACTIONS)}")
    do, why, now = wanted["do"], wanted.get("why") or "", wanted.get("now", False)
    if not isinstance(why, str) or len(why) > LONGEST_WHY or not isinstance(now, bool):
        raise InvalidValue(f"why is a text of at most {LONGEST_WHY} characters, now is true or false")
    if do == "fork":
        return _fork(store, why, wanted)
    if do in CORRECTIONS:
        return _correct(store, do, why, wanted)
    experiment = store.experiment(wanted["name"])
    reason_given = reason(DONE[do], f"on the page{': ' if why else ''}{why}")
    if do == "pause":
        outcome = control.pause(experiment, reason_given, now=now)
    elif do == "resume":
        outcome = control.resume(experiment, reason_given)
    elif do == "stop":
        outcome = control.stop(experiment, reason_given, now=now)
    else:
        outcome = control.retry(experiment, _which(wanted.get("tids")), reason_given)
    return {
        "written": [event.type for event in outcome.written], "status": outcome.status,
        "running": list(outcome.running),
    }  # fmt: skip


def _fork(store: Store, new: str, wanted: dict[str, Any]) -> dict[str, Any]:
    from hstore.engine.search.forked_search import fork_search
    from hstore.store.values import check_new_name

    at = wanted.get("at") or None
    if at is not None and not isinstance(at, str):
        raise InvalidValue("at is a decision or a time, as text")
    made = fork_search(store, wanted["name"], check_new_name(new), at=at)
    return {"written": ["created"], "status": made.state.status, "running": [], "name": made.name}


def _correct(store: Store, do: str, why: str, wanted: dict[str, Any]) -> dict[str, Any]:
    person = wanted.get("person") or None
    if person is not None and (not isinstance(person, str) or len(person) > LONGEST_PERSON):
        raise InvalidValue(f"person is a text of at most {LONGEST_PERSON} characters")
    person = person and person.strip()
    tids = [wanted["tid"]] if wanted.get("tid") is not None else []
    if tids and not _are_tids(tids):
        raise InvalidValue("tid is the number of a trial")
    if not tids and do in ("void", "unvoid", "amend"):
        raise InvalidValue(f"{do} needs the number of a trial as tid")
    experiment = store.experiment(wanted["name"])
    if do == "void":
        written = experiment.void(*tids, reason=why, person=person)
    elif do == "unvoid":
        written = experiment.unvoid(*tids, reason=why, person=person)
    elif do == "amend":
        given = {name: wanted.get(name) for name in AMENDABLE}
        written = experiment.amend(tids[0], reason=why, person=person, **given)
    elif do == "archive":
        written = experiment.archive(reason=why, person=person)
    elif do == "unarchive":
        written = experiment.unarchive(reason=why, person=person)
    elif do == "note":
        written = experiment.note(why, *tids, person=person)
    else:
        written = experiment.tag(why, *tids, person=person)
    return {"written": [event.type for event in written], "status": experiment.state.status, "running": []}


def _are_tids(tids: list[Any]) -> bool:
    return bool(tids) and all(type(tid) is int and tid >= 0 for tid in tids)


def _which(tids: Any) -> Any:
    if tids in ("failed", "lost"):
        return tids
    if isinstance(tids, list) and _are_tids(tids):
        return tids
    raise InvalidValue('tids are the numbers of trials, or "failed" or "lost"')
