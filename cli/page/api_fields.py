"""The fields of requests to the API: each is checked by what its own entry in the OpenAPI document says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hstore.store.errors import InvalidName, InvalidValue
from hstore.store.values import MAX_NAME, check_name

Schema = dict[str, Any]

NOT_FINITE = ("nan", "inf", "-inf")
"""How JSON says the numbers that it has none for."""
LONGEST_TEXT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a body, or of a query, by its name."""

    name: str
    says: str
    schema: Schema
    read: Callable[[Any], Any]
    """Returns the value as it is used; raises `ValueError` with what it should have been."""
    example: Any
    is_required: bool = False
    default: Any = None


def text(name: str, says: str, example: str, *, longest: int = LONGEST_TEXT, **more: Any) -> Field:
    """Return a field that is a text of 1 to *longest* characters."""

    def read(value: Any) -> str:
        if isinstance(value, str) and 1 <= len(value) <= longest:
            return value
        raise ValueError(f"a text of 1 to {longest} characters")

    schema = {"type": "string", "minLength": 1, "maxLength": longest}
    return Field(name=name, says=says, schema=schema, read=read, example=example, **more)


def name(name: str, says: str, example: str, **more: Any) -> Field:
    """Return a field that is the name of an experiment that may be begun."""

    def read(value: Any) -> str:
        try:
            return check_name(value)
        except InvalidName as error:
            raise ValueError(f"a name: {error}") from None

    schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": "^[^$]*$"}
    return Field(name=name, says=says, schema=schema, read=read, example=example, **more)


def choice(name: str, says: str, options: Sequence[str], **more: Any) -> Field:
    """Return a field that is one of *options*."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in options:
            return value
        raise ValueError(f"one of {', '.join(options)}")

    schema = {"type": "string", "enum": list(options)}
    return Field(name=name, says=says, schema=schema, read=read, example=options[0], **more)


def whole(name: str, says: str, example: int, *, least: int, most: int, **more: Any) -> Field:
    """Return a field that is a whole number from *least* to *most*; in a query it is written in digits."""

    def read(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():  # 1.0 and 1 are the same number in JSON
            value = int(value)
        if type(value) is int and least <= value <= most:
            return value
        raise ValueError(f"a whole number from {least} to {most}")

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Field(name=name, says=says, schema=schema, read=read, example=example, **more)


def seconds(name: str, says: str, example: float, *, most: float, **more: Any) -> Field:
    """Return a field that is a number of seconds above 0."""

    def read(value: Any) -> float:
        if type(value) in (int, float) and 0 < value <= most:
            return float(value)
        raise ValueError(f"a number of seconds above 0, at most {most:g}")

    schema = {"type": "number", "exclusiveMinimum": 0, "maximum": most}
    return Field(name=name, says=says, schema=schema, read=read, example=example, **more)


def number(name: str, says: str, example: float, **more: Any) -> Field:
    """Return a field that is a number, or one of `NOT_FINITE` as text."""
    return Field(name=name, says=says, schema={"anyOf": _NUMBER}, read=_number, example=example, **more)


def losses(name: str, says: str, example: Any, **more: Any) -> Field:
    """Return a field that is a number, or a list of several."""

    def read(value: Any) -> Any:
        if isinstance(value, list) and 2 <= len(value) <= MOST_LOSSES:
            return [_number(each) for each in value]
        if value is None or not isinstance(value, list):
            return None if value is None else _number(value)
        raise ValueError(f"a number, or a list of 2 to {MOST_LOSSES}")

    several = {"type": "array", "items": {"anyOf": _NUMBER}, "minItems": 2, "maxItems": MOST_LOSSES}
    schema = {"anyOf": [*_NUMBER, several, {"type": "null"}]}
    return Field(name=name, says=says, schema=schema, read=read, example=example, **more)


def anything(name: str, says: str, example: Any, **more: Any) -> Field:
    """Return a field that is an object with any content."""

    def read(value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        raise ValueError("an object")

    return Field(name=name, says=says, schema={"type": "object"}, read=read, example=example, **more)


def ranges(name: str, says: str, example: Any, **more: Any) -> Field:
    """Return a field that is a space: an object with a range, as text, by label."""

    def read(value: Any) -> dict[str, str]:
        if isinstance(value, dict) and value and all(isinstance(each, str) for each in value.values()):
            return value
        raise ValueError('an object with a range by label, such as {"lr": "log(1e-5, 1)"}')

    schema = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
    return Field(name=name, says=says, schema=schema, read=read, example=example, **more)


def read_fields(fields: Sequence[Field], given: Mapping[str, Any], *, is_query: bool = False) -> dict[str, Any]:
    """Return the values of *fields* in *given*; raises `InvalidValue` for what is missing, wrong, or no field.

    is_query: whether all of *given* is text, numbers too.
    """
    known = {field.name: field for field in fields}
    for name in given:
        if name not in known:
            hint = f"its fields are {', '.join(known)}" if known else "it takes none"
            raise InvalidValue(f"the request has a field {name!r:.60} that is not known", hint=hint)
    values = {}
    for field in fields:
        if field.name not in given:
            if field.is_required:
                raise InvalidValue(f"the request has no {field.name}", hint=field.says)
            values[field.name] = field.default
            continue
        try:
            is_number = is_query and field.schema.get("type") == "integer"
            values[field.name] = field.read(_digits(given[field.name]) if is_number else given[field.name])
        except (ValueError, OverflowError) as error:
            said = f"{field.name} must be {error}, not {given[field.name]!r:.60}"
            raise InvalidValue(said, hint=field.says) from None
    return values


def _digits(text: str) -> int | str:
    is_whole = text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20
    return int(text) if is_whole else text


MOST_LOSSES = 100
_NUMBER: list[Schema] = [{"type": "number"}, {"type": "string", "enum": list(NOT_FINITE)}]


def _number(value: Any) -> float:
    if isinstance(value, str) and value in NOT_FINITE:
        return float(value)
    if type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    raise ValueError(f"a number, or one of the texts {', '.join(NOT_FINITE)}")
