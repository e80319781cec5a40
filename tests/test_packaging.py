"""What gets installed: a wheel holds every module, also when it is built from a checkout without symbolic links."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ["store", "engine", "workers", "cli", "migrations"]
FILES = ["pyproject.toml", "setup.py", "README.md", "LICENSE"]
"""What setuptools reads beside the folders."""
DATA = ("hstore/py.typed", "hstore/__init__.pyi")
EVERY_MODULE = """
import importlib, pathlib, sys
for name in sys.argv[2:]:
    file = importlib.import_module(name).__file__
    assert pathlib.Path(file).is_relative_to(sys.argv[1]), file
"""
A_SEARCH = """
from hstore import fmin, hp, rand
print(fmin(abs, hp.uniform("x", -1, 1), rand.suggest, 3, rstate=0, verbose=False))
"""


def settings() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def modules() -> dict[str, Path]:
    """Return the path in a wheel of each module of the repository, and the file that it is."""
    found = {f"hstore/{file.relative_to(ROOT / 'src' / 'hstore')}": file for file in sources(ROOT / "src" / "hstore")}
    found |= {f"hydra_plugins/{file.name}": file for file in sources(ROOT / "src" / "hydra_plugins")}
    for folder in FOLDERS:
        found |= {f"hstore/{file.relative_to(ROOT)}": file for file in sources(ROOT / folder)}
    return found


def page_files() -> set[str]:
    """Return the paths in a wheel of the templates, styles and scripts of `hstore ui`."""
    page = ROOT / "cli" / "page"
    files = [*page.glob("templates/*"), *page.glob("static/*")]
    return {f"hstore/{file.relative_to(ROOT)}" for file in files}


def sources(folder: Path) -> list[Path]:
    """Return the modules under *folder*, not those behind links."""
    found = list(folder.glob("*.py"))
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            found += sources(child)
    return found


def test_each_folder_with_modules_is_a_package_that_setuptools_is_told_of() -> None:
    options = settings()["tool"]["setuptools"]
    packages = {str(Path(place).parent).replace("/", "."): file.parent for place, file in modules().items()}
    assert sorted(options["packages"]) == sorted(packages)
    places = {name: ROOT / folder for name, folder in options["package-dir"].items() if name}
    assert places == packages


def test_the_licence_is_in_the_repository_and_in_the_metadata() -> None:
    project = settings()["project"]
    assert project["license"] == "BSD-3-Clause"
    assert project["license-files"] == ["LICENSE"]
    assert (
        (ROOT / "LICENSE").read_text().startswith("BSD 3-Clause License\n\nCopyright (c) 2026, The hstore developers")
    )


def can_build() -> bool:
    """Return whether this environment can build a wheel with no network."""
    try:
        return int(version("setuptools").partition(".")[0]) >= 77
    except PackageNotFoundError:
        return False


needs_setuptools = pytest.mark.skipif(not can_build(), reason="setuptools is older than the build needs (77)")


@pytest.fixture(params=["links", "text files"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what is installed, with links in src/hstore or with what git on Windows makes of them."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, checkout)
    for name in ["src", *FOLDERS]:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, checkout / name, symlinks=True, ignore=ignored)
    if request.param == "text files":
        for folder in FOLDERS:
            link = checkout / "src" / "hstore" / folder
            link.unlink()
            link.write_text(f"../../{folder}")
    return checkout


@pytest.mark.long
@needs_setuptools
def test_a_wheel_holds_every_module_and_works_by_itself(checkout: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    wheel = build("wheel", checkout, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
        archive.extractall(installed)  # which is what pip does with one of pure Python; make wheel-test has pip do it
    assert held == {*modules(), *DATA, *page_files()}
    assert f"]({settings()['project']['urls']['Source']}/blob/main/docs/README.md)" in metadata
    names = [place.removesuffix(".py").replace("/", ".") for place in held if place.endswith(".py")]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    names.remove("hydra_plugins.hstore_sweeper")  # imported by Hydra alone
    for needs_ray in ("hstore.ray", "hstore.engine.bridges.ray_search", "hstore.engine.bridges.tune_space"):
        names.remove(needs_ray)
    names.remove("hstore.engine.hyperopt.as_hyperopt.hyperopt")  # runs under the name hyperopt alone
    run(installed, tmp_path, EVERY_MODULE, str(installed), *sorted(names))
    assert run(installed, tmp_path, A_SEARCH).startswith("{'x': ")


@needs_setuptools
def test_an_editable_install_goes_by_the_links_where_they_are_links(checkout: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(build("editable", checkout, tmp_path)) as archive:
        archive.extractall(installed)
    code = f"import site; site.addsitedir({str(installed)!r}); import hstore.store.errors as e; print(e.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    has_links = (checkout / "src" / "hstore" / "store").is_symlink()
    folder = checkout / "src" / "hstore" / "store" if has_links else checkout / "store"
    assert done.stdout.strip() == str(folder / "errors.py"), done.stderr


def build(kind: str, checkout: Path, folder: Path) -> Path:
    """Build a wheel of this *kind* as pip would have it built, and return it."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=checkout)
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


def run(installed: Path, cwd: Path, code: str, *arguments: str) -> str:
    """Run *code* with the hstore of *installed*, and all else of this environment."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout
