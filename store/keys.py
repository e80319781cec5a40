"""Keys that sign events: how `HSTORE_KEY` is read, and how a signature is made and checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

from hstore.store.errors import InvalidValue
from hstore.store.events import Signature
from hstore.store.messages import Log

LOG = Log("keys")
VARIABLE = "HSTORE_KEY"
KEY_BYTES, ID_BYTES = 32, 8
DISTINCT = 16
"""Of 32 random bytes about 30 differ; fewer than this is a pattern that a person typed."""
LARGEST_FILE = 64 * 1024
HINT = "`hstore key new FILE` makes one; then set HSTORE_KEY=FILE"


def key_id(key: bytes) -> bytes:
    """Return the 8 bytes that name *key*: the first of its SHA-256."""
    return hashlib.sha256(key).digest()[:ID_BYTES]


class Keys:
    """The keys of this process: the first signs, all of them check.

    where: what holds them, for messages. unsigned: the ids of the `created` events of experiments that were there
    before the keys: these are neither signed nor checked until a person signs them.
    """

    def __init__(self, *keys: bytes, where: str = VARIABLE, unsigned: Iterable[UUID] = ()) -> None:
        self.where = where
        self.unsigned = set(unsigned)
        self._by_id = {key_id(key): key for key in keys}
        self._first = (key_id(keys[0]), keys[0])

    @property
    def ids(self) -> list[bytes]:
        """The ids of the keys; that of the one that signs comes first."""
        return list(self._by_id)

    def sign(self, experiment: UUID, digest: bytes) -> Signature:
        """Return the signature of the event with this chain *digest* (32 bytes).

        experiment: the id of the experiment's `created` event, so that no chain can be moved to another experiment, not
            even to one of the same name.
        """
        id, key = self._first
        return id, hmac.digest(key, experiment.bytes + digest, "sha256")

    def why_not(self, signature: Signature | None, experiment: UUID, digest: bytes) -> str:
        """Return why *signature* does not sign the event with this chain *digest*; "" if it does."""
        if signature is None:
            return "is not signed"
        id, mac = signature
        key = self._by_id.get(id)
        if key is None:
            return f"is signed with the key {id.hex()}, which {self.where} does not hold"
        wanted = hmac.digest(key, experiment.bytes + digest, "sha256")
        return "" if hmac.compare_digest(wanted, mac) else "has a wrong signature"

    def __repr__(self) -> str:
        return f"<Keys {', '.join(id.hex() for id in self.ids)}>"


def new_key() -> str:
    """Return a new key, 32 random bytes in base64. None begins as a path does, since HSTORE_KEY may hold either."""
    while (text := base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()).startswith("/"):
        pass
    return text


def parse_key(text: str) -> bytes:
    """Return the key that *text* holds in base64. Raises `InvalidValue`, which does not repeat the text, for others."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(
            f"{VARIABLE} names no file, and holds no base64 of {KEY_BYTES} bytes", hint=HINT, path=VARIABLE
        ) from None
    if len(key) < KEY_BYTES:
        raise InvalidValue(
            f"{VARIABLE} holds a key of {len(key)} bytes; it needs at least {KEY_BYTES}", hint=HINT, path=VARIABLE
        )
    if len(set(key)) < DISTINCT:
        raise InvalidValue(
            f"{VARIABLE} holds a key that can be guessed: {len(set(key))} different bytes", hint=HINT, path=VARIABLE
        )
    return key


def parse_lines(lines: Sequence[str], file: str) -> list[bytes]:
    """Return the keys that the *lines* of a *file* hold, one each; blank lines and those after # are left out."""
    texts = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not texts:
        raise InvalidValue(f"the key file {file} is empty", hint=HINT, path=VARIABLE)
    try:
        return [parse_key(text) for text in texts]
    except InvalidValue as error:
        raise InvalidValue(f"the key file {file}: {error}", hint=error.hint, path=VARIABLE) from None


def read_keys(value: str | None) -> Keys | None:
    """Return the keys that *value*, that of HSTORE_KEY, names; None if it is None: the variable is not set.

    It is a file, or a key in base64, or several of these with commas (or the separator of PATH) between them.
    Raises `InvalidValue` for one that is empty, weak, or cannot be read.
    """
    if value is None:
        return None
    keys: list[bytes] = []
    for part in value.replace(os.pathsep, ",").split(","):
        keys += _read(part.strip())
    return Keys(*keys)


def _read(part: str) -> list[bytes]:
    if not part:
        raise InvalidValue(f"{VARIABLE} is set, but empty", hint=f"unset it, or: {HINT}", path=VARIABLE)
    file = Path(part).expanduser()
    try:
        is_file = file.exists()
    except (OSError, ValueError):  # a key that is too long for a name
        is_file = False
    if not is_file and not part.startswith(("/", "~", ".")):
        return [parse_key(part)]
    try:
        with file.open(encoding="ascii") as stream:
            _require_own(stream.fileno(), part)
            content = stream.read(LARGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidValue(f"cannot read the key file {part}: {why}", hint=HINT, path=VARIABLE) from error
    return parse_lines(content.splitlines(), part)


def _require_own(handle: int, file: str) -> None:
    """Raise `InvalidValue` if every user may write to a key file; warn if others may read it, or write to it."""
    status = os.fstat(handle)
    if os.name != "posix" or not stat.S_ISREG(status.st_mode):
        return
    if status.st_mode & stat.S_IWOTH:
        raise InvalidValue(
            f"the key file {file} can be changed by every user of this machine", hint=f"chmod 600 {file}", path=VARIABLE
        )
    if status.st_uid == os.getuid() and status.st_mode & 0o077:  # a file of a container is shared by others
        LOG.warning(f"the key file {file} is open to other users, who can sign with it: chmod 600 {file}")


def write_new_key(file: Path) -> Keys:
    """Write a new key into *file*, which only its owner can read (0600); return it. Raises `FileExistsError`."""
    text = new_key()
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(handle, "w") as stream:
        os.fchmod(handle, 0o600)  # whatever the umask
        stream.write(text + "\n")
    return Keys(parse_key(text))
