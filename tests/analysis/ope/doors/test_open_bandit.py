"""The Open Bandit files: the real sample, made-up ones with their faults, and the policy that drew them."""

import csv
import math

import numpy as np
import pytest

from analysis.ope.doors import open_bandit
from analysis.ope.doors.open_bandit import AtPositions, simulated_thompson, thompson
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.mips import groups_of
from analysis.ope.estimators.snips import Snips
from analysis.ope.totals import Totals
from analysis.ope.weighed import weighed
from engine.errors import InvalidRequest
from tests.analysis.ope.doors.making import DATA, check_same, joined

FOLDER = DATA / "obd"
PRIOR = FOLDER / "prior_bts.yaml"

real = pytest.mark.skipif(not FOLDER.exists(), reason="the Open Bandit sample is not beside the repository")

HEADER = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0,user-item_affinity_1"
ROWS = [
    "0,2019-11-24 00:03:13.442536+00:00,1,3,0,0.5,aa,0.0,1.5",
    "1,2019-11-24 00:03:36.705207+00:00,0,1,1,0.5,bb,0.0,",
]
PRIOR_TEXT = "men:\n  alpha: [1.0, 2.0]\n  beta: [1.0, 1.0]\n"


@pytest.fixture
def made(tmp_path):
    """Returns the folder of a policy with a campaign of two items."""

    def making(policy, *rows, header=HEADER):
        folder = tmp_path / policy
        folder.mkdir()
        (folder / "men.csv").write_text("\n".join([header, *rows]), "utf-8")
        return folder

    return making


def test_rows_are_single_items_at_positions(made):
    (log,) = open_bandit.read(made("bts", *ROWS), "men")
    assert (log.variants, log.variant.tolist(), log.slot.tolist()) == (("0", "1"), [1, 0], [2, 0])
    assert log.slate.tolist() == log.unit.tolist() == [0, 1]
    assert log.at[0] == 1574553793442536
    assert [question.context for question in log.questions()] == [
        {"user-item_affinity_0": 0.0, "user-item_affinity_1": 1.5, "user_feature_0": "aa"},
        {"user-item_affinity_0": 0.0, "user_feature_0": "bb"},
    ]


def test_what_is_known_of_a_distribution_depends_on_the_policy(made):
    (uniform,) = open_bandit.read(made("random", *ROWS), "men")
    assert uniform.probabilities.tolist() == [[0.5, 0.5]] * 2
    assert (uniform.collection.is_adaptive, uniform.collection.least) == (False, 0.5)
    (learned,) = open_bandit.read(made("bts", *ROWS), "men")
    assert learned.probabilities is None
    assert (learned.collection.is_adaptive, learned.collection.least) == (True, None)


def test_items_have_their_features_where_they_are_described(made):
    folder = made("random", *ROWS)
    described = ",item_id,item_feature_0,item_feature_1\n0,1,-0.5,x\n1,0,0.25,x\n"
    (folder / "item_context.csv").write_text(described)
    (log,) = open_bandit.read(folder, "men")
    assert [variant.features for variant in next(log[1:].questions()).eligible] == [
        {"item_feature_0": 0.25, "item_feature_1": "x"},
        {"item_feature_0": -0.5, "item_feature_1": "x"},
    ]
    assert groups_of(item.features["item_feature_1"] for item in open_bandit.items(folder, "men")).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2,2019-11-24 00:03:36+00:00,2,1,1,0.5,b,0,0", "variant"),
        ("2,2019-11-24 00:03:36+00:00,0,4,1,0.5,b,0,0", "broken"),
        ("2,2019-11-24 00:03:36+00:00,0,,1,0.5,b,0,0", "broken"),
        ("2,never,0,1,1,0.5,b,0,0", "broken"),
        ("2,2019-11-24 00:03:36+00:00,0", "broken"),
        ("2,2019-11-24 00:03:36+00:00,0,1,,0.5,b,0,0", "reward"),
        ("2,2019-11-24 00:03:36+00:00,0,1,1,,b,0,0", "no_propensity"),
        ("2,2019-11-24 00:03:36+00:00,0,1,1,0,b,0,0", "propensity"),
        ("2,2019-11-24 00:03:36+00:00,0,1,1,0.25,b,0,0", "propensity"),
    ],
)
@pytest.mark.parametrize("n", [1, 100])
def test_a_broken_row_is_counted_with_its_line_and_the_rest_is_read(made, row, why, n):
    """The uniform policy has one propensity, so another one is not its distribution's."""
    blocks = list(open_bandit.read(made("random", ROWS[0], row, ROWS[1]), "men", n=n))
    assert joined(blocks, "row").tolist() == [2, 4]
    (left,) = blocks[-1].left_out
    assert (left.n, str(left.what).endswith("(the first: 3)")) == (1, True)
    assert left.what.key == f"ope.door.{why}"


def test_what_is_not_there_is_said(made, tmp_path):
    with pytest.raises(InvalidRequest, match="say whose campaign"):
        open_bandit.read(made("random", *ROWS))
    with pytest.raises(InvalidRequest, match=r"no file .*women\.csv"):
        open_bandit.read(tmp_path / "random", "women")
    with pytest.raises(InvalidRequest, match="nothing says how many items"):
        open_bandit.read(made("bts", "0", header="item_id"), "men")
    with pytest.raises(InvalidRequest, match="no column 'item_id'"):
        open_bandit.read(made("other", "0", header="user-item_affinity_0"), "men")


def test_the_prior_is_read_by_campaign(tmp_path):
    path = tmp_path / "prior.yaml"
    path.write_text(PRIOR_TEXT)
    assert thompson(path, "men", 2) == pytest.approx(np.array([[1, 2], [2, 1]]) / 3, abs=1e-13)
    assert simulated_thompson(path, "men", 2, n_sim=10, seed=1).sum(axis=0).tolist() == [1.0, 1.0]
    with pytest.raises(InvalidRequest, match=r"prior\.yaml has no campaign 'all': it has men"):
        thompson(path, "all")


def test_a_policy_of_positions_is_that_of_each_draws_slot(made):
    (log,) = open_bandit.read(made("bts", *ROWS), "men")
    target = AtPositions(np.array([[0.1, 0.5, 0.9], [0.9, 0.5, 0.1]]), "told")
    assert target.probabilities(log).tolist() == [[0.9, 0.1], [0.1, 0.9]]
    with pytest.raises(InvalidRequest, match="the log has others"):
        AtPositions(np.ones((2, 2)) / 2, "told").probabilities(log)


# --- the real sample --------------------------------------------------------------------------------------------------


@real
@pytest.mark.parametrize("policy", ["random", "bts"])
def test_the_real_log_is_read_as_the_file_has_it(policy):
    (log,) = open_bandit.read(FOLDER / policy, "men")
    with (FOLDER / policy / "men.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert (len(log), log.k, len(log.numbers), log.left_out) == (10_000, 34, 34, ())
    for name, column in (("item_id", log.variant), ("click", log.reward), ("propensity_score", log.propensity)):
        assert column.tolist() == [float(row[name]) for row in rows], name
    assert (log.slot + 1).tolist() == [int(row["position"]) for row in rows]
    hashes = [log.words[2][code] for code in log.context.codes[:, 2]]
    assert hashes == [row["user_feature_2"] for row in rows]


@real
def test_small_blocks_are_the_whole_file():
    check_same(list(open_bandit.read(FOLDER / "bts", "men")), list(open_bandit.read(FOLDER / "bts", "men", n=997)))


@real
@pytest.mark.parametrize(("campaign", "k"), [("men", 34), ("women", 46), ("all", 80)])
def test_thompson_by_its_prior_is_what_simulation_counts(campaign, k):
    """As for the ranks: Bernstein, once in a million runs for any of the 3 k numbers."""
    exact, n = thompson(PRIOR, campaign), 10_000
    counted = simulated_thompson(PRIOR, campaign, n_sim=n, seed=12345)
    c = math.log(2 * 3 * k / 1e-6)
    assert exact.shape == (k, 3)
    assert exact.sum(axis=0) == pytest.approx(np.ones(3), abs=1e-12)
    assert (np.abs(counted - exact) <= np.sqrt(2 * exact * c / n) + c / n).all()


@real
@pytest.mark.parametrize("policy", ["random", "bts"])
def test_values_of_the_other_policy_are_the_formulas(policy):
    (log,) = open_bandit.read(FOLDER / policy, "men")
    pi = thompson(PRIOR, "men") if policy == "random" else np.full((34, 3), 1 / 34)
    with (FOLDER / policy / "men.csv").open() as lines:
        rows = [
            (pi[int(row["item_id"]), int(row["position"]) - 1] / float(row["propensity_score"]), float(row["click"]))
            for row in csv.DictReader(lines)
        ]
    part = weighed(log, AtPositions(pi, "other").probabilities(log))
    weight, earned = math.fsum(w for w, _ in rows), math.fsum(w * r for w, r in rows)
    assert value(Ips(), part) == pytest.approx(earned / len(rows), abs=1e-12)
    assert value(Snips(), part) == pytest.approx(earned / weight, abs=1e-12)


def value(estimator, part):
    return estimator.value(Totals.of(estimator.terms(part), part.unit).mean)
