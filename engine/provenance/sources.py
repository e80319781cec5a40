"""The source of an objective: the text of its module or script, and of the project modules that it imports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from hstore.engine.evaluation.domain import BoundObjective
from hstore.engine.evaluation.project_files import MOST_BYTES, SCRIPT, ProjectFiles, script_files

NOTEBOOK = "<notebook>"
"""Stands for the cells of a notebook, in the place of a file's name."""


def source_of(domain: BoundObjective) -> dict[str, str]:
    """Return the text of each project file that the objective of *domain* uses, by its path; see `project_files`.

    Of a script it is all of its text, of a notebook the functions and classes that the objective uses. Where the
    program that asks evaluates, it is that program. Nothing is known of what was typed into a shell.
    """
    project = domain.project
    if not project.places and not project.pieces:
        project = script_files()
    return texts_of(project)


def texts_of(project: ProjectFiles) -> dict[str, str]:
    """Return the text of each file of *project*, as far as it can be read, up to a limit in all."""
    texts: dict[str, str] = {}
    left = MOST_BYTES
    for name, path in sorted(project.places.items()):
        try:
            if (size := path.stat().st_size) > left:
                continue
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        left -= size
        texts.setdefault(path.name if name == SCRIPT else name, text)
    if project.pieces:
        texts[NOTEBOOK] = "\n\n".join(project.pieces)
    return texts


def hashes(texts: Mapping[str, str]) -> list[list[str]]:
    """Return [path, SHA-256 of its UTF-8] of each of *texts*, by path."""
    return [[path, hashlib.sha256(text.encode()).hexdigest()] for path, text in sorted(texts.items())]


def as_bytes(texts: Mapping[str, str]) -> bytes:
    """Return *texts* as they are attached: JSON, the same bytes for the same texts."""
    return json.dumps(dict(sorted(texts.items())), indent=0).encode()


def folder_of(domain: BoundObjective) -> Path:
    """Return the folder in which git is asked: that of the objective's project, else where the program runs."""
    places = domain.project.places or script_files().places
    return next((path.parent for path in places.values()), Path("."))
