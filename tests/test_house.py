"""The house: who may import what, one owner for each outside package, and the sizes that keep a file readable."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
HOUSES = {"engine": "engine", "simulators": "simulators", "analysis": "analysis", "armlift": "proto/armlift"}
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 45

COMMAND_FILES = (
    "engine/cli.py",
    "engine/commands/",
    "simulators/commands.py",
    "analysis/commands/",
)

OWNERS = {
    "vowpal_wabbit_next": ("engine/policies/vowpal.py",),
    "sqlite3": ("engine/storage/",),
    "sqlite_utils": ("engine/storage/",),
    "yaml": ("engine/yaml_text.py",),
    "grpc": ("engine/service/", "proto/armlift/client.py", "proto/armlift/async_client.py", "proto/armlift/channel.py"),
    "grpc_health": ("engine/service/",),
    "grpc_reflection": ("engine/service/",),
    "grpc_status": ("engine/service/", "proto/armlift/channel.py"),
    "google": ("engine/service/", "engine/storage/rows.py", "proto/armlift/"),
    "armlift.v1": ("engine/service/", "engine/storage/rows.py", "engine/storage/values.py", "proto/armlift/"),
    "armlift.log": ("engine/service/", "engine/storage/rows.py", "proto/armlift/"),
    "uvloop": ("engine/service/", "engine/commands/"),
    "matplotlib": ("analysis/pages/plots.py",),
    "jinja2": ("analysis/pages/render.py",),
    "markupsafe": ("analysis/pages/render.py",),
    "openfeature": ("proto/armlift/openfeature.py",),
    "narwhals": ("analysis/logs/unit_table.py", "analysis/ope/doors/chunks.py"),
    "duckdb": ("analysis/logs/duck.py",),
    "re2": ("engine/patterns.py",),
    "sklearn": ("simulators/worlds/classified.py",),
    "click": COMMAND_FILES,
    "rich": (*COMMAND_FILES, "simulators/showing.py"),
}
"""Where an outside package may be imported, whatever else is there."""

EVERYBODYS = {"numpy", "scipy"}

RANDOM = {"hashlib", "random", "secrets", "uuid"}
"""What only `engine/randomness.py` imports inside the engine."""

POLICIES_KNOW = {
    f"engine.{module}"
    for module in (
        "records",
        "experiments",
        "specs",
        "funnel",
        "targeting",
        "errors",
        "randomness",
        "clock",
        "policies",
    )
}


class Import(NamedTuple):
    """`module` imported somewhere, with `name` where it was `from module import name`."""

    module: str
    name: str = ""

    @property
    def full(self):
        return f"{self.module}.{self.name}" if self.name else self.module

    @property
    def root(self):
        return self.module.split(".")[0]

    def is_of(self, package):
        return f"{self.full}.".startswith(f"{package}.")


def is_generated(path):
    return "_pb2" in path.name


def sources(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py") if not is_generated(path))


OURS = [path.relative_to(ROOT).as_posix() for path in sources(*HOUSES.values())]
EVERY_FILE = OURS + [path.relative_to(ROOT).as_posix() for path in sources("tests", "benchmarks", "notebooks")]


@functools.cache
def tree(file):
    return ast.parse((ROOT / file).read_text(), file)


@functools.cache
def imports(file):
    return tuple(_imports(tree(file)))


def _imports(module: ast.Module) -> Iterator[Import]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where a name comes from"
            yield from (Import(node.module, alias.name) for alias in node.names)


def files_of(house):
    return [file for file in OURS if file.startswith(f"{HOUSES[house]}/")]


# --- who imports what ----------------------------------------------------------------------------------------------


def importing(files, is_wrong):
    """Return what is imported against a rule, by file."""
    found = {file: [each.full for each in imports(file) if is_wrong(each)] for file in files}
    return {file: wrong for file, wrong in found.items() if wrong}


def test_the_engine_knows_neither_simulators_nor_analysis():
    assert not importing(files_of("engine"), lambda each: each.root in ("simulators", "analysis"))


def test_the_client_needs_nothing_of_ours():
    assert not importing(files_of("armlift"), lambda each: each.root in HOUSES and each.root != "armlift")


@pytest.mark.parametrize("package", OWNERS)
def test_an_outside_package_has_one_owner(package):
    strangers = [file for file in OURS if not file.startswith(OWNERS[package])]
    assert not importing(strangers, lambda each: each.is_of(package))


def test_every_outside_package_has_an_owner():
    owned = {package.split(".")[0] for package in OWNERS}
    known = owned | EVERYBODYS | HOUSES.keys() | sys.stdlib_module_names
    assert not importing(OURS, lambda each: each.root not in known)


def test_every_outside_package_is_declared():
    """Not only brought along by another one."""
    extras = [those for name, those in PROJECT["project"]["optional-dependencies"].items() if name != "dev"]
    needed = sum(extras, PROJECT["project"]["dependencies"])
    declared = {re.match(r"[\w-]+", dependency)[0].lower() for dependency in needed}
    providers = packages_distributions()
    outside = {each.root for file in OURS for each in imports(file)} - HOUSES.keys() - sys.stdlib_module_names
    assert not {root for root in outside if declared.isdisjoint(map(str.lower, providers[root]))}


def test_randomness_has_one_address():
    others = set(files_of("engine")) - {"engine/randomness.py"}
    assert not importing(others, lambda each: each.root in RANDOM)


def test_a_policy_knows_neither_store_nor_transport():
    policies = [file for file in OURS if file.startswith("engine/policies/")]
    assert not importing(policies, lambda each: each.root in HOUSES and not any(map(each.is_of, POLICIES_KNOW)))


@pytest.mark.parametrize("house", HOUSES)
def test_houses_meet_through_public_names_alone(house):
    others = HOUSES.keys() - {house}
    assert not importing(files_of(house), lambda each: each.root in others and "._" in f".{each.full}")
    assert not {file: uses for file in files_of(house) if (uses := private_uses(file, others))}


def private_uses(file, houses):
    """Return the private attributes that a file takes from what it imports from other houses."""
    abroad = {each.name or each.root for each in imports(file) if each.root in houses}
    uses = [
        node for node in ast.walk(tree(file)) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    return [node.attr for node in uses if node.value.id in abroad and re.match("_(?!_)", node.attr)]


def test_the_client_loads_nothing_heavy():
    """In a fresh interpreter: what runs in a customer's process is grpcio and protobuf alone."""
    code = "import sys; before = {*sys.modules}; import armlift; print(*{*sys.modules} - before)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    outside = {module.split(".")[0] for module in run.stdout.split()} - sys.stdlib_module_names
    assert {name for name in outside if not re.match("grpc|_?cython", name)} == {
        "armlift",
        "google",
        "typing_extensions",
    }


# --- sizes ---------------------------------------------------------------------------------------------------------


def test_a_file_is_read_in_one_go():
    lines = {file: len((ROOT / file).read_text().splitlines()) for file in EVERY_FILE}
    assert not {file: count for file, count in lines.items() if count > MAX_FILE_LINES}


def test_a_function_is_one_thought():
    lengths = {
        f"{file}: {node.name}": length(node) for file in OURS for node in ast.walk(tree(file)) if is_function(node)
    }
    assert not {name: count for name, count in lengths.items() if count > MAX_FUNCTION_LINES}


def is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def length(function):
    """Return the lines of a function without its docstring."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1) * is_docstring


# --- what is packed ------------------------------------------------------------------------------------------------


def folder_of(package):
    house, _, inner = package.partition(".")
    return ROOT / HOUSES[house] / inner.replace(".", "/")


def test_every_package_is_packed():
    packed = {folder_of(package) for package in SETUPTOOLS["packages"]}
    assert packed == {init.parent for folder in HOUSES.values() for init in (ROOT / folder).rglob("__init__.py")}


def test_every_data_file_is_packed():
    packed = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in folder_of(package).glob(pattern)
    }
    there = {path for folder in HOUSES.values() for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert not {path for path in there - packed if path.suffix not in (".py", ".pyi", ".pyc")}
