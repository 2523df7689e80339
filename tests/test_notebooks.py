"""Every notebook runs from its first cell to its last, on public names, and is stored without outputs."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 14


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_stored_without_outputs(path):
    assert not any(cell.outputs or cell.execution_count for cell in _code(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_cells_are_short_plain_python_on_public_names(path):
    for cell in _code(path):
        tree = ast.parse(cell.source)  # no magic: it parses
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        assert not {name for name in _names_of_others(tree) if name.startswith("_")}, cell.source


# Not ours: how a kernel's messages and sockets are closed.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()


def _code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def _names_of_others(tree):
    """Yield every attribute that is read, and every name and part of a module that is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute():
                yield node.attr
            case ast.ImportFrom() | ast.Import():
                names = [each.name for each in node.names]
                for dotted in [*names, getattr(node, "module", None) or ""]:
                    yield from dotted.split(".")
