"""Spaces written as text, one range a label: what `hstore ask --space` and `hstore run` take.

log(1e-5, 1)           a number between the two, drawn by its logarithm
float(0, 1)            a number between the two; float(0, 1, 0.1): in steps of 0.1
int(1, 8)              a whole number, both ends included
adam|sgd|8             one of the options; those that read as JSON (8, 0.5, true) are what they say
float(0, 1) if opt=sgd only where another label has that value (or one of several: opt=sgd|adam)
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hstore.engine.space import hp, natural_bounds
from hstore.store.errors import BadSearchSpace

_RANGE = re.compile(r"(?P<kind>log|float|int)\((?P<bounds>[^()]*)\)")
_CONDITION = re.compile(r"^(?P<range>.*?)\s+if\s+(?P<label>[^=\s]+)\s*=\s*(?P<values>.+)$", re.DOTALL)
HINT = 'a range is log(1e-5, 1), float(0, 1), int(1, 8) or adam|sgd, with "if LABEL=VALUE" behind it if it depends'


@dataclass(frozen=True, slots=True)
class _Written:
    """One label as it was written: its range, and on which values of which label it depends."""

    label: str
    text: str
    on: str | None = None
    values: tuple[Any, ...] = ()


def space_of(ranges: Mapping[str, str]) -> dict[str, Any]:
    """Return the space that *ranges* describe: by label the text of its range; see the top of this module.

    The configuration of a point nests what depends under what it depends on; `flat` makes one level of it.
    Raises `BadSearchSpace`, which names the label, for a text that is no range, and a condition that cannot hold.
    """
    written = {label: _read(label, text) for label, text in ranges.items()}
    for each in written.values():
        _check_condition(each, written)
    made: dict[str, Any] = {}
    return {each.label: _expression(each, written, made) for each in written.values() if each.on is None}


def flat(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a *configuration* of such a space as values by label, those that are active."""
    values: dict[str, Any] = {}
    for label, value in configuration.items():
        values.update(flat(value) if isinstance(value, Mapping) else {label: value})
    return values


def _read(label: str, text: str) -> _Written:
    if not isinstance(text, str):
        raise BadSearchSpace(f"{label}: {text!r} is no range", hint=HINT)
    match = _CONDITION.match(text.strip())
    if match is None:
        return _Written(label, text.strip())
    values = tuple(_option(value) for value in match["values"].split("|"))
    return _Written(label, match["range"].strip(), match["label"], values)


def _check_condition(each: _Written, written: Mapping[str, _Written]) -> None:
    if each.on is None:
        return
    seen = {each.label}
    on: str | None = each.on
    while on is not None:
        if on in seen or on not in written:
            why = "which depends on it" if on in seen else "which is not in the space"
            raise BadSearchSpace(f"{each.label} depends on {on}, {why}", hint=HINT)
        seen.add(on)
        on = written[on].on
    options = _options(written[each.on])
    if options is None or not set(map(repr, each.values)) <= set(map(repr, options)):
        there_are = "is no choice" if options is None else "has the options " + ", ".join(map(str, options))
        wanted = "|".join(map(str, each.values))
        raise BadSearchSpace(f"{each.label} depends on {each.on}={wanted}, but {each.on} {there_are}", hint=HINT)


def _expression(each: _Written, written: Mapping[str, _Written], made: dict[str, Any]) -> Any:
    """Return the expression of *each*, the same one for every option that it depends on."""
    if each.label not in made:
        options = _options(each)
        made[each.label] = _number(each) if options is None else _choice(each, options, written, made)
    return made[each.label]


def _choice(each: _Written, options: list[Any], written: Mapping[str, _Written], made: dict[str, Any]) -> Any:
    dependent = [other for other in written.values() if other.on == each.label]
    if not dependent:
        return hp.choice(each.label, options)

    def branch(option: Any) -> dict[str, Any]:
        active = (other for other in dependent if repr(option) in map(repr, other.values))
        return {each.label: option, **{other.label: _expression(other, written, made) for other in active}}

    return hp.choice(each.label, [branch(option) for option in options])


def _options(each: _Written) -> list[Any] | None:
    """Return the options of a choice, None for a range of numbers."""
    if _RANGE.fullmatch(each.text) or "|" not in each.text:
        return None
    options = [_option(option) for option in each.text.split("|")]
    if twice := [option for option, times in Counter(map(repr, options)).items() if times > 1]:
        raise BadSearchSpace(f"{each.label}: {each.text!r} has the option {twice[0]} twice", hint=HINT)
    return options


def _option(text: str) -> Any:
    text = text.strip()
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if value is None or isinstance(value, (str, int, float)) else text


def _number(each: _Written) -> Any:
    match = _RANGE.fullmatch(each.text)
    if match is None:
        raise BadSearchSpace(f"{each.label}: {each.text!r} is no range", hint=HINT)
    try:
        bounds = [float(bound) for bound in match["bounds"].split(",")]
    except ValueError:
        bounds = []
    kind = match["kind"]
    if len(bounds) == 3 and kind != "float":
        raise BadSearchSpace(f"{each.label}: {each.text!r} has a step, which only float(0, 10, 2) takes", hint=HINT)
    if len(bounds) not in (2, 3):
        raise BadSearchSpace(f"{each.label}: {each.text!r} has no two bounds", hint=HINT)
    kinds = {"int": natural_bounds.int, "log": natural_bounds.log, "float": natural_bounds.float}
    return kinds[kind](each.label, *bounds)
