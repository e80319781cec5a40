"""One connection to a mongod by hand: a command, its answer, and a login before it.

For a question or two at the start of a process: the threads of a MongoClient hold a program back for half a second at
its exit.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
from base64 import b64decode, b64encode
from dataclasses import field
from typing import Any

from hstore.store.lazy_dataclass import lazy_dataclass

__all__ = ["Login", "ask"]

OP_MSG = 2013


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user of a mongod."""

    user: str
    password: str = field(repr=False)
    database: str
    """Where the user is defined."""


def ask(
    path: str, command: dict[str, Any], *, database: str = "admin", login: Login | None = None, timeout: float = 1.0
) -> dict[str, Any]:
    """Return the answer to *command* of the mongod that listens at *path*; an answer may be an error of the server.

    timeout: seconds. Raises OSError when there is no answer, or the login is refused.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(timeout)
        line.connect(path)
        if login is not None:
            _log_in(line, login)
        return _exchange(line, command, database)


def _exchange(line: socket.socket, command: dict[str, Any], database: str) -> dict[str, Any]:
    import bson

    body = struct.pack("<iB", 0, 0) + bson.encode({**command, "$db": database})
    line.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, OP_MSG) + body)
    with line.makefile("rb") as answer:
        (size,) = struct.unpack("<i", _read(answer, 4))
        return bson.decode(_read(answer, size - 4)[12 + 5 :])


def _read(stream: Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) < size:
        raise ConnectionResetError("mongod closed the connection")
    return data


def _log_in(line: socket.socket, login: Login) -> None:
    """Authenticate by SCRAM-SHA-256 (RFC 5802 and 7677); the names in it are those of the RFC."""
    client_first = f"n={login.user},r={b64encode(os.urandom(24)).decode()}"
    start = {"saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": f"n,,{client_first}".encode()}
    answer = _exchange(line, {**start, "options": {"skipEmptyExchange": True}}, login.database)
    if not answer.get("ok"):
        raise PermissionError(answer.get("errmsg"))
    server_first = bytes(answer["payload"]).decode()
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", login.password.encode(), b64decode(fields["s"]), int(fields["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c=biws,r={fields['r']}"
    auth_message = f"{client_first},{server_first},{without_proof}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), auth_message, "sha256")
    proof = b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()
    payload = f"{without_proof},p={proof}".encode()
    final = {"saslContinue": 1, "conversationId": answer["conversationId"], "payload": payload}
    answer = _exchange(line, final, login.database)
    if not (answer.get("ok") and answer.get("done")):
        raise PermissionError(answer.get("errmsg"))
