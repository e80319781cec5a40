"""The notebooks: they run from top to bottom in a real kernel, show what they promise, and are kept without outputs."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import GENEROUS

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs").rglob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_the_program_of_a_notebook_runs(
    notebook: Path, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="the notebook draws")
    for package in ("pandas", "sklearn"):
        pytest.importorskip(package, reason=f"the notebook needs {package}")
    matplotlib.use("Agg")
    monkeypatch.setenv("HSTORE_URL", mongo_url)
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    code = "\n".join("".join(cell["source"]) for cell in cells)
    assert code.count("max_evals=25") == 1
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code.replace("max_evals=25", "max_evals=12"), str(notebook), "exec"), names)
    assert len(names["frame"]) == 12
    assert len(matplotlib.pyplot.get_fignums()) == 6
    matplotlib.pyplot.close("all")


@pytest.mark.long
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_shows_a_search_a_table_and_six_figures(
    notebook: Path, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient", reason="notebooks are run by nbclient and ipykernel")
    nbformat = pytest.importorskip("nbformat")
    for package in ("ipykernel", "matplotlib", "pandas", "sklearn"):
        pytest.importorskip(package, reason=f"the notebook needs {package}")
    monkeypatch.setenv("HSTORE_URL", mongo_url)
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    document = nbformat.read(notebook, as_version=4)
    client = nbclient.NotebookClient(
        document, timeout=GENEROUS, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises what a cell raises
    shown = [kind for cell in document.cells for output in cell.get("outputs", ()) for kind in output.get("data", ())]
    assert shown.count("image/png") == 6
    assert shown.count("text/html") >= 2  # the experiment and the frame
    assert not any(kind.startswith("application/vnd") for kind in shown)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(notebook: Path) -> None:
    cells: list[dict[str, Any]] = json.loads(notebook.read_text())["cells"]
    assert [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
