"""How Sphinx makes the site of these pages: `make docs`.

docs/README.md lists the pages for those who read them in the repository. The site takes its tree from there, so a page
is put into one list only.
"""

from __future__ import annotations

import os
import re
import runpy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
SETUP = runpy.run_path(str(DOCS.parent / "setup.py"), run_name="setup")
LINK = re.compile(r"^\| \[[^\]]*\]\(([\w./-]+)\.(?:md|ipynb)\)", re.MULTILINE)
TABLES = "<!-- the tables of README.md -->"

project = "hstore"
author = "The hstore developers"
copyright = "2026, The hstore developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_click", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["README.md", "*.toml"]  # README.md becomes a part of the first page
html_theme = "furo"
html_title = "hstore"
html_theme_options = {
    "source_view_link": f"{SETUP['repository']()}/blob/main/docs/{{filename}}",
    "top_of_page_buttons": ["view"],
}
html_copy_source = False

myst_heading_anchors = 4
myst_links_external_new_tab = False
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = ["myst.header"]  # a how-to may begin below its title with a heading of the third level

nb_execution_mode = "force"  # the notebook has no outputs in the repository
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # the progress bar, once for each step

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures have them
autodoc_use_legacy_class_based = False
default_role = "code"  # what docstrings mean by single backticks
smartquotes = False  # options begin with two dashes
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True


def toctrees(text: str) -> str:
    """Return a toctree for each section of a list of pages, with the pages of its tables."""
    trees = ""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        pages = [page for page in LINK.findall(section) if page != root_doc]
        lines = "\n".join(pages)
        trees += f"\n```{{toctree}}\n:hidden:\n:caption: {section.splitlines()[0]}\n\n{lines}\n```\n"
    return trees


def prepare(app: Sphinx, name: str, source: list[str]) -> None:
    """Give the first page and that of decisions their lists, and links out of docs/ their addresses."""
    text = source[0]
    if name == root_doc:
        pages = (DOCS / "README.md").read_text().partition("\n## ")
        text = text.replace(TABLES, pages[1] + pages[2]) + toctrees(pages[1] + pages[2])
    elif name.endswith("/README"):
        text += toctrees("## Pages\n" + text)
    folder = f"docs/{name}".rpartition("/")[0]
    source[0] = re.sub(
        r"!?\[[^\[\]]*\]\([^()\s]+\)",
        lambda found: found[0] if is_within(folder, found[0]) else absolute(found[0], folder),
        text,
    )


def is_within(folder: str, link: str) -> bool:
    """Return whether a link of Markdown is for Sphinx to resolve: to a page or a picture below docs/, or elsewhere."""
    target = link.rpartition("](")[2].rstrip(")").partition("#")[0]
    if not target or re.match(r"\w+:", target):
        return True
    file = (DOCS.parent / folder / target).resolve()
    return file.is_relative_to(DOCS) and file.suffix in (".md", ".ipynb", ".png") and file != DOCS / "README.md"


def absolute(link: str, folder: str) -> str:
    """Return a link to a file of the repository as one to its page there."""
    return str(SETUP["with_absolute_links"](link, SETUP["repository"](), folder))


def as_rst(app: Sphinx, kind: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Turn a docstring into what Sphinx reads: `name: what it is` into a term, an example into a block."""
    text = re.sub(r"^((?:\w+, )*\w+),\n(?=(?:\w+, )*\w+: )", r"\1, ", "\n".join(lines), flags=re.MULTILINE)
    text = re.sub(
        r"\bdocs/([\w-]+)\.md\b", lambda at: f":doc:`/{at[1]}`" if (DOCS / at[0][5:]).exists() else at[0], text
    )
    lines[:] = []
    in_terms = False
    for line in text.splitlines():
        is_indented = line.startswith(" ")
        if field := re.fullmatch(r"([a-z]\w*(?:, [a-z]\w*)*): (.*)", line):
            terms = ", ".join(f"``{each}``" for each in field[1].split(", "))
            lines += ([] if in_terms else [""]) + [terms, f"    {field[2]}"]
        elif is_indented and not in_terms and lines and not lines[-1]:
            lines += ["::", "", line]
        else:
            lines += ["", line] if in_terms and line and not is_indented else [line]
        in_terms = bool(field) or (in_terms and (is_indented or not line))


def examples_as_block(app: Sphinx, context: object, lines: list[str]) -> None:
    """Turn the lines of a help text that click keeps as they are, its examples, into a block of code."""
    text = re.sub(r"^\| ", "    ", "\n".join(lines), flags=re.MULTILINE)
    lines[:] = re.sub(r"((?:^    .*\n?)+)", r".. code-block:: console\n\n\1\n", text, flags=re.MULTILINE).splitlines()
    lines.append("")


def setup(app: Sphinx) -> None:
    """Register what prepares the text of a page, and give the notebook a store of its own."""
    os.environ["HSTORE_HOME"] = tempfile.mkdtemp(prefix="hs")  # short, for a socket is in it
    os.environ.pop("HSTORE_URL", None)
    app.connect("source-read", prepare)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("sphinx-click-process-description", examples_as_block)
