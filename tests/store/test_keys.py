"""Keys: what HSTORE_KEY may hold, which key signs, and which signatures hold."""

import base64
import os
import secrets
import uuid
from pathlib import Path

import pytest

from hstore.store.errors import InvalidValue
from hstore.store.keys import key_id, new_key, parse_key, read_keys, write_new_key
from hstore.store.open_store import open_store

DIGEST, EXPERIMENT = b"d" * 32, uuid.uuid4()


def key() -> str:
    return new_key()


def test_without_the_variable_there_are_no_keys() -> None:
    assert read_keys(None) is None


@pytest.mark.parametrize("value", ["", " ", "0", ",", "secret", "a-very-long-and-secret-key-0123", "no/such/file"])
def test_an_empty_or_weak_value_is_an_error_that_names_what_to_do_and_repeats_no_secret(value: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read_keys(value)
    assert (caught.value.exit_code, "hstore key new" in caught.value.hint) == (2, True)
    assert "\n" not in str(caught.value)
    assert len(value) < 5 or value not in str(caught.value)


@pytest.mark.parametrize(
    "content", [secrets.token_bytes(31), b"\0" * 32, b"ab" * 16, b""], ids=["short", "zeros", "pattern", "nothing"]
)
def test_a_key_that_is_short_or_can_be_guessed_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidValue):
        parse_key(base64.b64encode(content).decode())


@pytest.mark.parametrize("between", [",", os.pathsep, " , "])
def test_of_several_keys_the_first_signs_and_all_of_them_check(between: str) -> None:
    old, new = key(), key()
    both, before = read_keys(f"{new}{between}{old}"), read_keys(old)
    assert both is not None
    assert before is not None
    assert both.ids == [key_id(base64.b64decode(new)), key_id(base64.b64decode(old))]
    assert both.sign(EXPERIMENT, DIGEST)[0] == both.ids[0]
    assert both.why_not(before.sign(EXPERIMENT, DIGEST), EXPERIMENT, DIGEST) == ""
    why = before.why_not(both.sign(EXPERIMENT, DIGEST), EXPERIMENT, DIGEST)
    assert why == f"is signed with the key {both.ids[0].hex()}, which HSTORE_KEY does not hold"


def test_a_signature_holds_for_one_digest_and_one_experiment_only() -> None:
    keys = read_keys(key())
    assert keys is not None
    signature = keys.sign(EXPERIMENT, DIGEST)
    assert keys.why_not(signature, EXPERIMENT, DIGEST) == ""
    assert keys.why_not(signature, uuid.uuid4(), DIGEST) == "has a wrong signature"
    assert keys.why_not(signature, EXPERIMENT, b"e" * 32) == "has a wrong signature"
    assert keys.why_not((signature[0], b""), EXPERIMENT, DIGEST) == "has a wrong signature"
    assert keys.why_not(None, EXPERIMENT, DIGEST) == "is not signed"


def test_a_file_holds_a_key_in_each_line(tmp_path: Path) -> None:
    file, new, old = tmp_path / "keys", key(), key()
    file.write_text(f"# of the lab\n{new}\n\n  {old}\n")
    keys = read_keys(str(file))
    assert keys is not None
    assert keys.ids == [key_id(base64.b64decode(each)) for each in (new, old)]


@pytest.mark.parametrize("content", ["", "# nothing\n", "secret\n", "\x00\xff"])
def test_a_file_without_a_sound_key_is_refused_by_its_name(content: str, tmp_path: Path) -> None:
    (file := tmp_path / "keys").write_text(content, encoding="latin1")
    with pytest.raises(InvalidValue, match=r"key file .*keys"):
        read_keys(str(file))


def test_a_file_that_is_not_there_is_refused_although_its_name_could_be_a_key(tmp_path: Path) -> None:
    for name in ("/" + "abcDEFghiJKLmnoPQRstuVWXyz0123456789abcdefgh"[:43], str(tmp_path / "none"), "~/not/there"):
        with pytest.raises(InvalidValue, match="cannot read the key file"):
            read_keys(name)


def test_a_new_key_is_its_owners_alone_and_replaces_no_file(tmp_path: Path) -> None:
    keys = write_new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    again = read_keys(str(tmp_path / "key"))
    assert again is not None
    assert again.ids == keys.ids
    with pytest.raises(FileExistsError):
        write_new_key(tmp_path / "key")


def test_a_key_says_its_id_and_nothing_else(tmp_path: Path) -> None:
    keys = write_new_key(tmp_path / "key")
    assert repr(keys) == f"<Keys {keys.ids[0].hex()}>"


@pytest.mark.parametrize("value", ["", " ", "0", "secret"])
def test_a_store_is_not_opened_as_if_there_were_no_key(
    value: str, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSTORE_KEY", value)
    with pytest.raises(InvalidValue, match="HSTORE_KEY"):
        open_store(mongo_url)


@pytest.mark.skipif(os.name != "posix", reason="permissions of files are another matter there")
def test_a_key_file_that_others_can_change_is_refused_and_one_that_they_can_read_is_told(
    tmp_path: Path, messages: list[str]
) -> None:
    write_new_key(file := tmp_path / "key")
    read_keys(str(file))
    assert messages == []
    file.chmod(0o644)
    read_keys(str(file))
    assert [f"chmod 600 {file}" in line for line in messages] == [True]
    file.chmod(0o606)
    with pytest.raises(InvalidValue, match="can be changed by every user"):
        read_keys(str(file))
