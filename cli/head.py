"""`hstore head` and `hstore seal`: the hash that commits to all of an experiment, printed or recorded in its log."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note, print_text
from hstore.cli.session import verified, writing
from hstore.store.terminal_text import printable

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.experiment import Experiment

NAMESPACE = "hstore-head"
"""What ssh-keygen signs is bound to it: no signature of another purpose counts as one of a head."""


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--trial", metavar="TID", type=click.IntRange(0), help="Also print the proof of this trial, with --json.")
@click.option("--sign", "key", metavar="KEY", type=click.Path(exists=True, dir_okay=False),
              help="Write the head to a file, and beside it (.sig) a signature by this SSH key.")  # fmt: skip
@click.option("-o", "file", metavar="FILE", help="The file that --sign writes; EXPERIMENT.head without it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the position that --at takes.")
@click.pass_obj
def head(
    session: Session, experiment: str, trial: int | None, key: str | None, file: str | None, as_json: bool
) -> None:
    """Print the head of EXPERIMENT: a hash that commits to every event so far.

    Keep it, sign it or publish it. Later `hstore verify EXPERIMENT --head HEX` says whether anything of that was
    changed since. It only reads.

    \b
    hstore head digits
    hstore head digits --json
    hstore head digits --trial 7 --json      proves trial 7 by itself
    hstore head digits --sign ~/.ssh/id_ed25519
    """
    if trial is not None and not as_json:
        raise click.UsageError("--trial needs --json")
    if file is not None and key is None:
        raise click.UsageError("-o names the file that --sign writes")
    with session.experiment(experiment) as found:
        about = _about(found)
        if trial is not None:
            found.chain(trial)  # raises NotFound
            about["proof"] = found.seals.prove(trial)
    lines = f"head       {about['head'].hex()}", f"covers     {about['decisions']} decisions, {about['events']} events"
    if key is not None:
        plain_name = re.sub(r"[^-\w.@]", "_", about["name"])
        about["signed"] = _signed("\n".join((*lines, "")), key, Path(file or f"{plain_name}.head"))
    if as_json:
        print_json(about)
    else:
        print_text("\n".join(lines))


def _signed(text: str, key: str, file: Path) -> str:
    """Write *text* to *file*, and its signature by the SSH *key* beside it; return the name of the file.

    Raises `click.ClickException` if ssh-keygen is missing, or does not sign.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise click.ClickException("ssh-keygen is not installed: it comes with OpenSSH")
    done = subprocess.run(
        [program, "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode != 0 or not done.stdout:
        why = done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no signature"]
        raise click.ClickException(f"ssh-keygen does not sign with {key}: {printable(why[-1])}")
    for path, content in (file, text.encode()), (Path(f"{file}.sig"), done.stdout):
        with writing(str(path)):
            path.write_bytes(content)
    print_note(f"signed: {printable(str(file))} and .sig; `ssh-keygen -Y verify … -n {NAMESPACE}` checks it")
    return str(file)


def _about(experiment: Experiment) -> dict[str, Any]:
    from hstore.store.head import position

    cut = experiment.seals.cut
    return {
        "name": experiment.name, "exp": experiment.name,
        "head": experiment.head, "decisions": len(cut) - 1, "events": sum(cut) + len(cut),
        "position": position(cut),
    }  # fmt: skip


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def seal(session: Session, experiment: str, as_json: bool) -> None:
    """Record the head of EXPERIMENT in its log, if its digests match; print it.

    From then on `hstore verify` finds a change in any event before. A search does so itself every 100 decisions, and
    at its end.

    \b
    hstore seal digits
    """
    from hstore.store.events import Finished, Sealed
    from hstore.store.seals import seal as append_seal

    with session.experiment(experiment) as found:
        with verified(found, experiment, "sealed"):
            event = append_seal(found) or found.chain(None)[-1]  # which holds a head that covers everything
        assert isinstance(event, (Sealed, Finished))
        assert event.head is not None
        if as_json:
            print_json({"name": found.name, "ver": event.ver, "head": event.head})
        else:
            print_text(f"head       {event.head.hex()}")
