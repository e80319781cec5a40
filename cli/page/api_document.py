"""The OpenAPI document of the API, made of its calls."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hstore.cli.page.guard import API_BODY_BYTES

if TYPE_CHECKING:
    from hstore.cli.page.api_calls import Call
    from hstore.cli.page.api_fields import Field, Schema

PREFIX = "/api/v1"
ABOUT = (
    "Searches for hyperparameters whose trials your program evaluates: ask for a trial, tell its loss. Smaller is "
    "better. "
    "Numbers that JSON has none for are the texts nan, inf and -inf. Times are UTC, as ISO text."
)
ERRORS = {
    400: "The request is not what the call takes, or the search cannot use it; nothing was written.",
    401: "The token is missing, or is not that of this server.",
    403: "The server is read-only, or the request comes from another site.",
    404: "There is no such experiment, trial or token.",
    409: "The experiment has another space, or its log does not allow this.",
    413: f"The body has more than {API_BODY_BYTES} bytes, or does not say its length.",
    415: "The body is not application/json.",
    421: "The server does not answer under this Host.",
    500: "The log contradicts itself, or the server is at fault.",
    503: "The store does not answer; try again later.",
}
"""What each status of an error means."""
OF_WRITES = {413, 415}
ERROR: Schema = {
    "type": "object", "required": ["error", "hint"], "additionalProperties": False,
    "properties": {
        "error": {"type": "string", "description": "What went wrong, in a line."},
        "hint": {"type": "string", "description": "What to do about it; may be empty."},
    },
}  # fmt: skip


def document_of(calls: Sequence[Call], *, root_path: str) -> dict[str, Any]:
    """Return the document. root_path: what a reverse proxy puts before every path."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "hstore", "version": version("hstore"), "description": ABOUT},
        "servers": [{"url": root_path or "/"}],
        "security": [{"token": []}],
        "paths": {f"{PREFIX}/{call.name}": {call.method.lower(): _operation(call)} for call in calls},
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The token that `hstore ui` printed."}
            },
            "schemas": {"Error": ERROR},
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": call.name, "summary": call.summary, "description": call.says,
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": call.answer}}},
            **{str(status): _error(says) for status, says in errors_of(call).items()},
        },
    }  # fmt: skip
    if call.method == "GET":
        said["parameters"] = [_parameter(field) for field in call.fields]
    else:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": body_of(call.fields)}}}
    return said


def errors_of(call: Call) -> dict[int, str]:
    """Return the statuses of errors that *call* answers with, and what each means."""
    return {status: says for status, says in ERRORS.items() if call.method == "POST" or status not in OF_WRITES}


def body_of(fields: Sequence[Field]) -> Schema:
    """Return the schema of a body of *fields*."""
    return {
        "type": "object", "additionalProperties": False,
        "properties": {field.name: _described(field) for field in fields},
        "required": [field.name for field in fields if field.is_required],
    }  # fmt: skip


def _described(field: Field) -> Schema:
    default = {} if field.default is None else {"default": field.default}
    return {**field.schema, "description": field.says, "examples": [field.example], **default}


def _parameter(field: Field) -> dict[str, Any]:
    default = {} if field.default is None else {"default": field.default}
    return {
        "name": field.name, "in": "query", "required": field.is_required, "description": field.says,
        "schema": field.schema | default, "example": field.example,
    }  # fmt: skip


def _error(says: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": says, "content": {"application/json": {"schema": schema}}}
