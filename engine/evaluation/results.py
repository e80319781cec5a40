"""Results: what an objective may return, and the dictionary with a status that it becomes, hyperopt's."""

from __future__ import annotations

import decimal
import numbers
import sys
import types
from collections.abc import Mapping
from typing import Any

from hstore.store.errors import InvalidLoss, InvalidResult, InvalidResultStatus

STATUS_NEW = "new"
STATUS_RUNNING = "running"
STATUS_SUSPENDED = "suspended"
STATUS_OK = "ok"
STATUS_FAIL = "fail"
STATUS_STRINGS = (STATUS_NEW, STATUS_RUNNING, STATUS_SUSPENDED, STATUS_OK, STATUS_FAIL)


def as_pruned(returned: Any, last: tuple[int, float] | None) -> dict[str, Any]:
    """Return the result of a trial that was pruned: what it *returned* beside a loss, and the *last* that it reported.

    That is its step and value. The loss of what was not trained to the end is none that others are compared with.
    """
    result = dict(returned) if isinstance(returned, Mapping) else {}
    for name in ("loss", "losses"):
        result.pop(name, None)
    result |= {"status": STATUS_FAIL, "pruned": True}
    return result if last is None else result | {"step": last[0], "value": last[1]}


def as_result(returned: Any, objectives: int | None = None) -> dict[str, Any]:
    """Return what an objective *returned* as hyperopt's result: a dictionary with a status, and a float loss if ok.

    One that is ok may have a list of several `losses` instead, and has to have as many as there are *objectives*, if
    that is said; then a bare list of them will do as well. Without *objectives*, `losses` beside a loss are a field of
    the user's, as in hyperopt. `constraints` are floats, kept if they are at most 0.
    """
    if objectives is not None and is_list(returned):
        returned = {"status": STATUS_OK, "losses": returned}
    if (given := _as_mapping(returned)) is not None:
        return _checked(dict(given), returned, objectives)
    if objectives is not None:
        raise InvalidLoss(
            f"the objective returned {_short(returned)}, not {objectives} losses",
            hint='return a list of them, or {"status": "ok", "losses": […]}', result=returned,
        )  # fmt: skip
    if returned is None or isinstance(returned, (str, bytes)):
        raise InvalidResult(
            f"the objective returned {_short(returned)}",
            hint="return the loss as a number, or {'status': 'ok', 'loss': number}", result=returned,
        )  # fmt: skip
    return {"loss": _as_loss(returned, returned), "status": STATUS_OK}


def _as_mapping(returned: Any) -> Mapping[Any, Any] | None:
    """Return what the objective *returned* as a mapping, if it is one to `dict`, as in hyperopt; else None.

    That is a mapping, a pandas.Series that has a "status", a list of pairs with one, or what else has `keys`.
    """
    if isinstance(returned, Mapping):
        return returned
    is_pairs = is_list(returned) and all(isinstance(item, (list, tuple)) and len(item) == 2 for item in returned)
    if not is_pairs and not (hasattr(returned, "keys") and hasattr(returned, "__getitem__")):
        return None
    try:
        mapping = dict(returned)
    except Exception:  # noqa: BLE001 - whatever a user's class does
        return None
    return mapping if "status" in mapping else None


def _checked(result: dict[str, Any], returned: Any, objectives: int | None) -> dict[str, Any]:
    """Return *result*, a copy of the mapping *returned*, with its numbers as floats."""
    status = result.get("status")
    if status not in STATUS_STRINGS:
        has_one = status is not None
        said = f"the result's status is {status!r}" if has_one else "the returned dict has no 'status'"
        raise InvalidResultStatus(said, hint=f"it must be one of {', '.join(STATUS_STRINGS)}", result=returned)
    if status != STATUS_OK:
        return result
    counted = {"constraints", "losses"} if are_losses_counted(result, objectives) else {"constraints"}
    for name in counted:
        if result.get(name) is not None:
            result[name] = _as_numbers(result[name], name, returned)
    n = len(result.get("losses") or ()) if "losses" in counted else 0
    if n == 1 or (objectives is not None and n != objectives):
        wanted = "two or more" if objectives is None else objectives
        raise InvalidLoss(
            f"the result has {n or 'no list of'} losses; this search takes {wanted}",
            hint='one is a "loss"' if objectives is None else 'return {"status": "ok", "losses": […]}',
            result=returned,
        )
    if not n or result.get("loss") is not None:
        result["loss"] = _as_loss(result.get("loss"), returned)
    return result


def are_losses_counted(result: Mapping[str, Any], objectives: int | None) -> bool:
    """Return whether the `losses` of *result* are what the search makes small, rather than a field of the user's.

    A program for hyperopt may well return the losses of all folds beside the loss that is their mean.
    """
    return objectives is not None or result.get("loss") is None


def _as_loss(loss: Any, returned: Any) -> float:
    # complex and the like have no order; a string that reads as a number is hyperopt's habit.
    is_real = not isinstance(loss, numbers.Number) or isinstance(loss, (numbers.Real, decimal.Decimal))
    if loss is not None and is_real:
        try:
            return float(loss)
        except (TypeError, ValueError, OverflowError):
            pass  # such as a signalling NaN, or a fraction beyond all floats
    if isinstance(loss, types.CoroutineType):
        loss.close()  # so that Python does not warn besides that it was never awaited
    raise InvalidLoss(f"the loss is {_short(loss)}, not a real number", hint=_what_to_return(loss), result=returned)


def _what_to_return(loss: Any) -> str:
    if is_list(loss) and len(loss) > 1:
        return f"for several losses pass objectives={len(loss)}"
    if hasattr(loss, "__await__"):
        return "the objective is an async function: call that by asyncio.run(…) in a plain one"
    if hasattr(loss, "__next__") or hasattr(loss, "__anext__"):
        return "return the loss, do not yield it; ctrl.report(step, value) reports what comes before"
    if getattr(loss, "size", None) == 1 or (is_list(loss) and len(loss) == 1):
        return "return the number in it"
    return "a result of status 'ok' needs a loss"


def number(value: Any) -> float | None:
    """Return *value* as a loss, in a result that nothing has checked; None if it is none."""
    try:
        return None if value is None else _as_loss(value, value)
    except InvalidLoss:
        return None


def numbers_of(values: Any) -> list[float] | None:
    """Return *values* as losses or constraints, in a result that nothing has checked; None if they are none."""
    try:
        return None if values is None else _as_numbers(values, "values", values)
    except InvalidLoss:
        return None


def is_list(value: Any) -> bool:
    """Return whether *value* is a list, a tuple or an array of numpy's that is more than a number."""
    numpy = sys.modules.get("numpy")  # without it nothing is an array, and importing it takes a third of our start
    return isinstance(value, (list, tuple)) or (
        numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0
    )


def _as_numbers(values: Any, name: str, returned: Any) -> list[float]:
    if is_list(values):
        try:
            return [_as_loss(value, returned) for value in values]
        except InvalidLoss:
            pass
    raise InvalidLoss(
        f"the {name} are {_short(values)}, not a list of real numbers",
        hint="give one number for each, in the same order every time", result=returned,
    )  # fmt: skip


def _short(value: Any) -> str:
    text = (
        repr(value) if isinstance(value, (str, bytes, int, float, complex, type(None))) else f"a {type(value).__name__}"
    )
    return text if len(text) <= 60 else text[:57] + "…"
