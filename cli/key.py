"""`hstore key`: make a key that signs the events of searches."""

from __future__ import annotations

import click

from hstore.cli.printing import print_json, print_note, print_text


@click.group()
def key() -> None:
    """Make keys that sign the events of searches.

    \b
    hstore key new ~/.hstore-key
    """


@key.command()
@click.argument("file", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def new(file: str | None, as_json: bool) -> None:
    """Make a new key of 32 random bytes: in FILE, which only you can read, or printed without FILE.

    Set HSTORE_KEY to FILE wherever searches and workers run. To replace a key, name the new file first:
    HSTORE_KEY=new,old signs with the new key and accepts both.

    \b
    hstore key new ~/.hstore-key
    export HSTORE_KEY=~/.hstore-key
    """
    from pathlib import Path

    from hstore.store.errors import InvalidValue
    from hstore.store.keys import VARIABLE, new_key, write_new_key

    if file is None:
        made = new_key()
        print_json({"key": made}) if as_json else print_text(made)
        return
    try:
        keys = write_new_key(Path(file).expanduser())
    except FileExistsError:
        raise InvalidValue(f"{file} exists already; it was left as it is", hint="name another file") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror or error}") from None
    if as_json:
        print_json({"file": file, "id": keys.ids[0].hex()})
        return
    print_text(keys.ids[0].hex())
    print_note(f"set {VARIABLE}={file} wherever searches and workers run")
