"""`armlift demo` and `armlift replay` end to end: a real server, gRPC, a learner process and reports."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from engine.errors import InvalidRequest, StoreUnavailable
from engine.records import Assignment
from engine.storage import open_reader, open_snapshots, open_store
from simulators import demo, replay
from simulators.folders import claim
from simulators.showing import Screen

ROOT = Path(__file__).parents[2]
HILLSTROM = ROOT.parent / "shared" / "data" / "hillstrom" / "hillstrom.csv"
RECIPE = ROOT / "simulators" / "recipes" / "hillstrom.yaml"


def armlift(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def test_demo(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = armlift("demo", "--customers", 500, "--out", out)
    assert done.returncode == 0, done.stderr
    names = ("product-page-trust", "signup-banner", "search-row", "home-offer")
    assert all((out / name / "report.html").is_file() for name in names)
    index = (out / "index.html").read_text()
    assert all(f"{name}/report.html" in index for name in names)
    for said in (str(out / "index.html"), "oracle", "armlift check FILE", "armlift serve", "armlift apply FILE"):
        assert said in done.stdout.replace("\n", ""), done.stdout
    assert "\x1b" not in done.stdout, "no control characters where there is no terminal"
    with closing(open_reader(out / "store")) as reader, closing(open_snapshots(out / "store")) as snapshots:
        assert snapshots.position() >= reader.last_seq() - 1
        assert snapshots.snapshots("home-offer")
        assert {state.experiment.experiment_id for state in reader.states()} == set(names)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "armlift.db").write_text("precious")
    with pytest.raises(InvalidRequest, match="choose another --out"):
        demo.run(tmp_path, 5, 7, Screen())
    assert (store / "armlift.db").read_text() == "precious"


def test_an_earlier_run_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    claim(tmp_path, ["store"])
    (tmp_path / "store").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    claim(tmp_path, ["store", "index.html"])
    assert not (tmp_path / "store").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_store_in_use_is_left_alone(tmp_path: Path) -> None:
    claim(tmp_path, ["store"])
    with closing(open_store(tmp_path / "store")):
        with pytest.raises(StoreUnavailable):
            claim(tmp_path, ["index.html", "store"])
        assert (tmp_path / "store" / "armlift.db").is_file()


@pytest.fixture
def some_customers(tmp_path: Path) -> Path:
    if not HILLSTROM.is_file():
        pytest.skip("the data of Hillstrom's test is not beside the repository")
    path = tmp_path / "hillstrom.csv"
    with HILLSTROM.open() as whole:
        path.write_text("".join(islice(whole, 3001)))
    return path


def test_replay_of_real_customers(some_customers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = armlift("replay", some_customers, "--recipe", RECIPE, "--out", out)
    assert done.returncode == 0, done.stderr
    for said in ("3,000 rows", "always mens", "learner (contextual)", "index.html"):
        assert said in done.stdout.replace("\n", ""), done.stdout
    assert (out / "hillstrom" / "report.html").is_file()
    assert (out / "hillstrom-replay" / "report.html").is_file()
    with closing(open_reader(out / "imported")) as reader:
        log = [entry for entry in reader.entries() if isinstance(entry, Assignment)]
        assert len(log) == 3000
    with closing(open_snapshots(out / "replayed")) as snapshots:
        assert snapshots.snapshots("hillstrom-replay"), "it learned"


def test_a_bad_file_leaves_nothing(some_customers: Path, tmp_path: Path) -> None:
    with some_customers.open("a") as file:
        file.write("10,broken\n")
    out = tmp_path / "out"
    with pytest.raises(InvalidRequest) as refused:
        replay.run(some_customers, RECIPE, out, skip_broken=False, screen=Screen())
    assert str(refused.value) == (
        "hillstrom.csv, line 3002: it has 2 cells and the header 12: mend it, or leave it out by --skip-broken"
    )
    assert not out.exists()
