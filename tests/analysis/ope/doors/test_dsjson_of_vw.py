"""Logs that VW ships with itself, and whether VW reads what we write."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from analysis.ope.doors import dsjson
from tests.analysis.ope.doors.making import DATA, check_same, joined

FOLDER = DATA / "vw_dsjson"
FILES = {
    "dsjson_cb.json": (23, 0),
    "ccb_data.json": (66, 0),
    "data-science_cb_1000_0.json": (1000, 0),
    "data-science_cb_invalid.json": (20, 1),
    "cb_simple_pdrop.json": (1, 0),
}

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="VW's logs are not beside the repository")

VW = """
import json, sys
import vowpal_wabbit_next as vw

kind = "--ccb_explore_adf" if "ccb" in sys.argv[2] else "--cb_explore_adf"
parser = vw.DSJsonFormatParser(vw.Workspace([kind, "--quiet"]))
for line in open(sys.argv[1], encoding="utf-8"):
    for example in parser.parse_json(line):
        groups = [example[key] for key in sorted(example.feat_group_indices)]
        features = [[list(map(int, group.indices)), list(map(float, group.values))] for group in groups]
        label = example.get_label()
        drawn = label.outcome if "ccb" in kind else label.label
        if drawn and "ccb" in kind:
            # The drawn one comes first; how the rest is ranked is nobody's to keep.
            drawn = [drawn[0], drawn[1][0], sorted(drawn[1])]
        print(json.dumps([drawn, features]).replace("-0.0,", "0.0,"))
"""


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_read_or_counted(name):
    n, n_left = FILES[name]
    blocks = list(dsjson.read(FOLDER / name))
    assert sum(map(len, blocks)) == n
    assert sum(count.n for block in blocks for count in block.left_out) == n_left
    drawn = joined(blocks, "probabilities")[np.arange(n), joined(blocks, "variant")]
    assert drawn.tolist() == joined(blocks, "propensity").tolist()


@pytest.mark.parametrize("name", FILES)
def test_the_fields_are_those_of_the_file(name):
    """Read here by the letter: what was drawn, its probability and its cost."""
    blocks = list(dsjson.read(FOLDER / name))
    rows = [
        row
        for line in (FOLDER / name).read_text().splitlines()
        if line.endswith("}")
        for row in drawn_in(json.loads(line))
    ]
    assert joined(blocks, "variant").tolist() == [place for place, _, _ in rows]
    assert joined(blocks, "propensity") == pytest.approx([p for _, p, _ in rows], rel=1e-6)
    assert joined(blocks, "reward").tolist() == [-cost for _, _, cost in rows]


def drawn_in(event):
    if "_outcomes" in event:
        return [(each["_a"][0], each["_p"][0], each["_label_cost"]) for each in event["_outcomes"]]
    return [(event["_labelIndex"], event["_label_probability"], event["_label_cost"])]


@pytest.mark.parametrize("name", FILES)
def test_what_is_written_reads_as_what_was_read(name, tmp_path):
    blocks = list(dsjson.read(FOLDER / name))
    dsjson.write(blocks, tmp_path / "log.json")
    check_same(blocks, list(dsjson.read(tmp_path / "log.json")), without=("context",))


@pytest.mark.parametrize("name", FILES)
def test_small_blocks_are_the_whole_file(name):
    small = list(dsjson.read(FOLDER / name, n=3))
    assert len(small) > 1 or sum(map(len, small)) == 1
    check_same(list(dsjson.read(FOLDER / name)), small)
    assert [block.left_out for block in small[:-1]] == [()] * (len(small) - 1)


@pytest.mark.parametrize("name", ["dsjson_cb.json", "ccb_data.json", "data-science_cb_1000_0.json"])
def test_vw_reads_what_is_written_as_it_reads_the_original(name, tmp_path):
    """In a process of its own: VW's parsers must not be let into one that goes on."""
    blocks = [replace(block, logger=block.logger + 1) for block in dsjson.read(FOLDER / name)]
    dsjson.write(blocks, tmp_path / "log.json")
    theirs, ours = said_by_vw(FOLDER / name, name), said_by_vw(tmp_path / "log.json", name)
    assert len(theirs) > 100
    assert theirs == ours, "labels, and features with their hashes"


def said_by_vw(path, name):
    run = subprocess.run([sys.executable, "-c", VW, str(path), name], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]
