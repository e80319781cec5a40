"""The command line as the log keeps it: without what is likely to be a secret. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "***"
MOST_WORDS, LONGEST_WORD = 100, 1000
"""Of a longer command line the rest is left out, of a longer word its end."""

_SECRETS = {
    "auth", "authorization", "bearer", "credential", "credentials", "pass", "passphrase", "passwd", "password", "pwd",
    "secret", "secrets", "sig", "signature", "token", "apikey", "apitoken",
}  # fmt: skip
_KEYS = {"access", "account", "api", "encryption", "hstore", "private", "secret", "signing", "ssh"}
"""What makes a secret of a "key" behind it."""
_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>]*@")  # up to the last @: a password may hold any sign
_PAIR = re.compile(
    r"([A-Za-z][\w.-]*)([\"']?\s*[:=](?!//)\s*)"
    r"(\"[^\"]*\"|'[^']*'|(?:(?i:basic|bearer|digest|token)\s+)?[^\s,;&}\"']+)"
)
_SCHEME = re.compile(r"\b(bearer|basic)(\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_KNOWN = re.compile(
    r"\b(?:gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|hf_\w{20,}|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}"
    r"|AKIA[A-Z0-9]{16})"
)
"""How tokens begin that GitHub, GitLab, Hugging Face, OpenAI, Slack and Amazon give out."""


def without_secrets(words: Sequence[str]) -> list[str]:
    """Return the *words* of a command line with `***` for what is likely to be a secret.

    That is the user and the password of a URL, the value of an option or a variable that is called password, token,
    api-key and the like, and tokens of well-known services. A secret under another name stays.
    """
    shown: list[str] = []
    is_secret = False
    for word in words[:MOST_WORDS]:
        is_value, is_secret = is_secret and not word.startswith("-"), _asks_for_secret(word)
        shown.append(HIDDEN if is_value else text_without_secrets(word))
    if len(words) > MOST_WORDS:
        shown.append(f"… and {len(words) - MOST_WORDS} more")
    return shown


def text_without_secrets(text: str) -> str:
    """Return *text* with `***` for what is likely to be a secret; see `without_secrets`."""
    text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _PAIR.sub(lambda found: f"{found[1]}{found[2]}{HIDDEN}" if is_secret_name(found[1]) else found[0], text)
    text = _SCHEME.sub(rf"\1\2{HIDDEN}", text)
    text = _KNOWN.sub(HIDDEN, text)
    text = text.encode("utf-8", "backslashreplace").decode()  # an argument that was no UTF-8
    return text if len(text) <= LONGEST_WORD else f"{text[:LONGEST_WORD]}…"


def is_secret_name(name: str) -> bool:
    """Return whether an option or a variable called *name* is likely to hold a secret: by its last word."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    parts = [part for part in re.split(r"[^a-z0-9]+", spaced.lower()) if part]
    if not parts:
        return False
    return parts[-1] in _SECRETS or (parts[-1] == "key" and (len(parts) == 1 or parts[-2] in _KEYS))


def _asks_for_secret(word: str) -> bool:
    """Return whether the word behind *word* is the value of an option that is likely to be a secret."""
    return word.startswith("-") and "=" not in word and is_secret_name(word)
