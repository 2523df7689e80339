"""Files that are wrong: each is refused in one line that says where, and what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidExperiment
from engine.files import load, read
from engine.yaml_text import MAX_BYTES

HERO = "experiment: hero\nvariants: [plain, bold]\nmetrics: [click]\n"


def complaint(text: str) -> str:
    with pytest.raises(InvalidExperiment) as caught:
        load(text, "offer.yaml")
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith("offer.yaml")
    return sentence


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["empty", "experiment: home-offer"]),
        ("# nothing\n", ["empty"]),
        ("hello", ["fields with values"]),
        ("[a, b]", ["fields with values"]),
        ("variants: [a, b]\nmetrics: [click]", ["`experiment` is missing"]),
        (HERO + "metrcs: [click]", ["line 4", "unknown field `metrcs`", "did you mean `metrics`?"]),
        (HERO + "zzz: 1", ["line 4", "unknown field `zzz`", "there can be `experiment`, `brief`"]),
        (HERO + "brief:\n  goal: growth\n  hypotesis: x", ["line 6", "did you mean `hypothesis`?"]),
        (HERO + "seed: a\nseed: b", ["line 5", "`seed` is there twice"]),
        ("experiment: e\nvariants:\n  a: {}\n  b: {}\n  a: {}\nmetrics: [m]", ["line 5", "`a` is there twice"]),
        ("experiment: e\nvariants: [a, a]\nmetrics: [m]", ["'a' is there 2 times"]),
        ("experiment: e\nvariants: {a: {payload: {x: 1, x: 2}}, b: {}}\nmetrics: [m]", ["line 2", "`x` is there"]),
        ("experiment: e\nvariants: {a: {blank: 1}, b: {}}\nmetrics: [m]", ["line 2", "`blank` must be true or false"]),
        ("experiment: e\nvariants: {a: {is_blank: true}, b: {}}\nmetrics: [m]", ["did you mean `blank`?"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {windw: 1d}}", ["line 3", "did you mean `window`?"]),
        ("experiment: e\nvariants: [a, b]\nmetrics:\n  m:\n    window: 7 days", ["line 5", "`window`", "7d, 12h, 30m"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {window: [1d]}}", ["a duration such as"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {window: 999999999999d}}", ["not that long"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {window: 0s}}", ["longer than nothing"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: clicks}}", ["conversion, count,", "or quantile"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: revenue, cap: lots}}", ["`cap` must be a number"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: revenue, cap: '5'}}", ["`cap` must be a number"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: revenue, cap: true}}", ["`cap` must be a number"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: revenue, cap: 1e999}}", ["not that large"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: revenue, cap: 1" + 400 * "0" + "}}", ["not that large"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: revenue, cap: 1" + 5000 * "0" + "}}", ["fewer digits"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {range: 5}}", ["`range` must be the least and the most"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {range: [1]}}", ["`range` must be the least and the most"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {range: [a, 1]}}", ["must be a number"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {better: less}}", ["`better` must be higher or lower"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {role: main}}", ["must be goal, guardrail or secondary"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {of: [a, b]}}", ["`of` must be text"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {covariates: age}}", ["`covariates` must be a list"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: {m: {kind: ratio}}", ["`of` and `per` must name two metrics"]),
        (HERO + "plan: once", ["line 4", "`plan` must be fields"]),
        (HERO + "plan: {look: daily}", ["`look` must be any, once or planned"]),
        (HERO + "plan: {look: planned}", ["planned looks need `units`"]),
        (HERO + "plan: {looks: 2.5}", ["`looks` must be a whole number"]),
        (HERO + "plan: {n_units: 5}", ["unknown field `n_units`", "did you mean `units`?"]),
        (HERO + "segments: device", ["`segments` must be a list"]),
        (HERO + "segments: [device]", ["must be declared in `context` as a text or flag"]),
        ("experiment: e\nvariants: [a, b]\nmetrics: click", ["line 3", "`metrics` must be fields"]),
        (HERO + "control: [plain, bold]", ["line 4", "name one control"]),
        (HERO + "control: {plain: bold}", ["name one control"]),
        (HERO + "control: neither", ["`control` names 'neither'", "plain, bold"]),
        (HERO + "default: neither", ["`default` names 'neither'"]),
        (HERO + "policy: greedy", ["line 4", "fixed, segments, thompson, epsilon_greedy,"]),
        (HERO + "policy: {thompson: {}, contextual: {}}", ["one of fixed"]),
        (HERO + "policy: [thompson]", ["`policy` must be"]),
        (HERO + "policy: {thompson: {flor: 0.1}}", ["did you mean `floor`?"]),
        (HERO + "policy: {thompson: {publish_every: 1.5}}", ["`publish_every` must be a whole number"]),
        (HERO + "policy: {thompson: {floor: 2}}", ["floor is 2"]),
        (HERO + "policy: {thompson: {posterior: normal}}", ["`posterior` must be beta, gaussian or gamma_poisson"]),
        (HERO + "policy: {thompson: {half_life: long}}", ["`half_life` must be a duration"]),
        (HERO + "policy: {ucb1: {epsilon: 0.1}}", ["unknown field `epsilon`"]),
        (HERO + "policy: {ucb1: {half_life: 1d, window: 1d}}", ["`half_life` and `window` both"]),
        (HERO + "policy: {softmax: {shares: [plain]}}", ["`shares` must be fields"]),
        (HERO + "policy: {contextual: {explorer: greedy}}", ["`explorer` must be squarecb, epsilon,"]),
        (HERO + "policy: {contextual: {interactions: context}}", ["`interactions` must be"]),
        (HERO + "policy: {contextual: {interactions: [[context]]}}", ["the interaction ['context'] must have 2 to 4"]),
        (HERO + "shadow: greedy", ["line 4", "`shadow` must be one of fixed, segments"]),
        (HERO + "shadow: {thompson: {floor: 2}}", ["the shadow: the floor is 2"]),
        (HERO + "candidates: [price]", ["`candidates` must be fields"]),
        (HERO + "candidates: {price: money}", ["`price` must be number, text, flag or [text]"]),
        (HERO + "slots: many", ["`slots` must be a whole number"]),
        (HERO + "reward: {click: {weight: 1, aggregation: least}}", ["`aggregation` must be sum, first,"]),
        (HERO + "reward: {click: {aggregation: max}}", ["`click` must be a weight such as 0.8"]),
        (HERO + "reward: {click: 1}\nreward_scale: 5", ["`reward_scale` must be the least and the most"]),
        (HERO + "policy: {fixed: {weights: {plain: 0.9, bold: 0.2}}}", ["sum to 1.1"]),
        (HERO + "policy: {fixed: {weights: {plain: 0.9, blod: 0.1}}}", ["'blod', which is no variant"]),
        (HERO + "policy: {fixed: {weights: {plain: 1.5, bold: -0.5}}}", ["'bold' needs a weight"]),
        (HERO + "policy: {fixed: {weights: [0.9, 0.1]}}", ["`weights` must be fields"]),
        (HERO + "reward: {clack: 1}", ["'clack', which is no metric"]),
        (HERO + "reward: click", ["`reward` must be fields"]),
        (HERO + "reward: {click: }", ["`click` must be a number"]),
        (HERO + "exposure: seen", ["`exposure` must be assigned or reported"]),
        (HERO + "grace: soon", ["`grace` must be a duration"]),
        (HERO + "context: {a: string}", ["line 4", "`a` must be number, text, flag or [text]"]),
        (HERO + "context: {a: [number]}", ["`a` must be number, text, flag or [text]"]),
        (HERO + "context: {a: {required: true}}", ["`a` must be a type"]),
        (HERO + "context: {a: {type: text, required: maybe}}", ["`required` must be true or false"]),
        (HERO + "context: [a]", ["`context` must be fields"]),
        (HERO + "requires_consent: ok", ["must be declared in `context` as a flag"]),
        (HERO + "brief: {goal: [a]}", ["`goal` must be text"]),
        (HERO + "unit: ", ["`unit` must name what is randomised"]),
        (HERO + "unit: [a, b]", ["name one unit"]),
        ("experiment: Home Offer\nvariants: [a, b]\nmetrics: [m]", ["small letters"]),
        ("experiment: e\nvariants: [a]\nmetrics: [m]", ["2 to 1000 variants and has 1"]),
        ("experiment: e\nmetrics: [m]", ["2 to 1000 variants and has 0"]),
        ("experiment: e\nvariants: [a, b]", ["at least one metric"]),
        ("experiment: e\nvariants: [{name: a}, b]\nmetrics: [m]", ["`variants` must be text"]),
        ("experiment: e\nvariants: {a: hello, b: {}}\nmetrics: [m]", ["`a` must be fields"]),
        ("experiment: e\nvariants: {a: {control: true}, b: {}}\nmetrics: [m]", ["unknown field `control`"]),
        ("experiment: e\nvariants: {a: {features: {x: }}, b: {}}\nmetrics: [m]", ["`x` must be a number, text"]),
        ("experiment: e\nfactors: {size: }\nmetrics: [m]", ["'size' needs at least two levels and has 0"]),
        ("experiment: e\nfactors: {size: [s]}\nmetrics: [m]", ["'size' needs at least two levels and has 1"]),
        ("experiment: e\nfactors: {size: s}\nmetrics: [m]", ["`size` must be a list such as [a, b]"]),
        ("experiment: e\nfactors: {size: [s, s]}\nmetrics: [m]", ["'s' is there 2 times"]),
        ("experiment: e\nfactors: {size: [s, l]}\nvariants: [a, b]\nmetrics: [m]", ["either `variants` or `factors`"]),
        (HERO + "a: b: c", ["line 4", "not YAML", "in quotes"]),
        (HERO + "\tseed: a", ["not YAML"]),
        (HERO + "seed: {a", ["not YAML"]),
        (HERO + "seed: @a", ["not YAML", "in quotes"]),
        (HERO + "? [a]\n: b", ["line 4", "`a field's name` must be text"]),
        (HERO + "---\nexperiment: other", ["line 4", "one document"]),
        ("a: &x [1]\nb: *x", ["line 1", "anchors"]),
        ("a: 1\nb: *x", ["line 2", "anchors"]),
        (HERO + "seed: !!python/name:os.system x", ["line 4", "tags"]),
        (HERO + "seed: \x00\x01", ["not a text file"]),
        (HERO + "seed: \udc80", ["not a text file"]),
        (HERO + "seed: " + 100_000 * "[", ["nests deeper than 50"]),
        (HERO + "# " + MAX_BYTES * "x", ["longer than 1 MB"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_helps(text, parts):
    sentence = complaint(text)
    for part in parts:
        assert part in sentence


def test_a_bomb_of_factors_is_refused_before_it_goes_off():
    levels = "[" + ", ".join(f"l{number}" for number in range(50)) + "]"
    factors = ", ".join(f"f{number}: {levels}" for number in range(50))
    assert "2 to 1000 variants" in complaint(f"experiment: e\nfactors: {{{factors}}}\nmetrics: [m]")


@given(st.text(max_size=200) | st.text("{}[]:,-&*!|>'\"%@` \n\tab1~?#", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        load(text, "offer.yaml")
    except InvalidExperiment as error:
        assert str(error).startswith("offer.yaml")  # noqa: PT017 - both ends are fine


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (bytes(range(256)), "offer.yaml is not a text file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "offer.yaml is not a text file"),
        (HERO.encode("utf-16"), "offer.yaml is not a text file"),
        (b"x" * (MAX_BYTES + 1), "offer.yaml is longer than 1 MB"),
    ],
)
def test_a_file_that_is_none(tmp_path, content, part):
    path = tmp_path / "offer.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidExperiment, match=part):
        read(path)


def test_a_file_is_read_from_disk(tmp_path):
    path = tmp_path / "offer.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + HERO.replace("\n", "\r\n").encode())
    assert read(path) == load(HERO)
    with pytest.raises(InvalidExperiment, match=r"missing\.yaml cannot be read"):
        read(tmp_path / "missing.yaml")
    with pytest.raises(InvalidExperiment, match="cannot be read"):
        read(tmp_path)
