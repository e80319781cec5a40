"""What a package index shows: README.md, with links that lead to the repository. All else is in pyproject.toml."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent


def repository() -> str:
    """Return the address of the repository, which only pyproject.toml says."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["urls"]["Source"])


def with_absolute_links(text: str, base: str, folder: str = "") -> str:
    """Return Markdown whose links to files of the repository are https; *folder* is where the text stands in it."""

    def absolute(found: re.Match[str]) -> str:
        path, hash_mark, heading = found["target"].partition("#")
        if not path:
            return found[0]
        place = (ROOT / folder / path).resolve().relative_to(ROOT.resolve())
        kind = "raw" if found["picture"] else "blob"
        return f"{found['picture']}[{found['text']}]({base}/{kind}/main/{place.as_posix()}{hash_mark}{heading})"

    link = r"(?P<picture>!?)\[(?P<text>[^\[\]]*)\]\((?P<target>(?!\w+:)[^()\s]+)\)"
    return re.sub(link, absolute, text)


if __name__ == "__main__":  # as setuptools runs it
    from setuptools import setup

    setup(
        long_description=with_absolute_links((ROOT / "README.md").read_text(encoding="utf-8"), repository()),
        long_description_content_type="text/markdown",
    )
