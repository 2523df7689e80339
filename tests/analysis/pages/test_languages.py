"""Catalogues are complete, plurals are those of the language, and numbers are written as it writes them."""

import re
import tomllib
from importlib.resources import files

import pytest

from analysis.pages.languages import CODES, ENGLISH, load
from analysis.pages.languages.numbers import MINUS
from analysis.pages.languages.plurals import FORM, FORMS
from analysis.texts import (
    Number,
    Style,
    Text,
    amount,
    count,
    duration,
    plain,
    probability,
    share,
    text,
)
from engine.errors import InvalidRequest
from engine.experiments import Status
from engine.records import Reason, Source
from engine.specs import POLICY_SPECS

OTHERS = [code for code in CODES if code != "en"]
PLURALS = {form for forms in FORMS.values() for form in forms}
NARROW, WIDE = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


def catalogue(code):
    raw = (files("analysis.pages.languages") / f"{code}.toml").read_text("utf-8")
    return dict(messages_in(tomllib.loads(raw), ""))


def messages_in(table, path):
    """Yield the messages of a table by their keys; plurals are tables too, of the forms of some language."""
    for name, found in table.items():
        if isinstance(found, str) or (path and found and set(found) <= PLURALS):
            yield path + name, found
        else:
            yield from messages_in(found, f"{path}{name}.")


def placeholders(message):
    forms = message.values() if isinstance(message, dict) else [message]
    return set(re.findall(r"\{(\w*)\}", " ".join(forms)))


def test_every_word_of_the_engine_that_a_report_may_say_has_a_message():
    words = {f"reason.{each.value}" for each in Reason} | {f"policy.{kind}" for kind in POLICY_SPECS}
    words |= {f"status.{each.value}" for each in Status} | {f"source.{each.value}" for each in Source}
    assert words <= catalogue("en").keys()


@pytest.mark.parametrize("code", OTHERS)
def test_every_language_has_every_message(code):
    english, found = catalogue("en"), catalogue(code)
    assert found.keys() == english.keys()


@pytest.mark.parametrize("code", OTHERS)
def test_every_message_names_what_the_english_one_names(code):
    """A plural may leave the number out, "one segment", and a language without plurals may have it."""
    english, found = catalogue("en"), catalogue(code)
    both = english.keys() & found.keys()
    wrong = {key for key in both if placeholders(english[key]) - {"n"} != placeholders(found[key]) - {"n"}}
    assert not wrong
    plain_messages = {key for key in both if isinstance(english[key], str)}
    assert not {key for key in plain_messages if placeholders(english[key]) != placeholders(found[key])}


@pytest.mark.parametrize("code", CODES)
def test_a_plural_has_all_forms_of_its_language(code):
    plurals = {key: message for key, message in catalogue(code).items() if isinstance(message, dict)}
    assert not {key for key, message in plurals.items() if set(message) != set(FORMS[code])}
    assert {
        key for key, message in catalogue("en").items() if isinstance(message, dict)
    } >= plurals.keys() or code == "en"


@pytest.mark.parametrize("code", CODES)
def test_every_form_that_a_number_takes_is_there(code):
    assert {FORM[code](n) for n in range(200)} | {FORM[code](0.5)} == set(FORMS[code])


@pytest.mark.parametrize(
    ("code", "n", "words"),
    [
        ("en", 1, "1 day"),
        ("en", 0, "0 seconds"),
        ("pl", 1, "1 dzień"),
        ("pl", 3, "3 dni"),
        ("pl", 12, "12 dni"),
        ("ru", 21, "21 день"),
        ("ru", 22, "22 дня"),
        ("ru", 11, "11 дней"),
        ("zh", 2, "2 天"),
    ],
)
def test_lengths_of_time(code, n, words):
    assert load(code).number(duration(n * 86_400)) == words


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (count(64_000), ["64,000", f"64{NARROW}000", f"64{NARROW}000", "64,000"]),
        (amount(-1.4226), [f"{MINUS}1.42", f"{MINUS}1,42", f"{MINUS}1,42", f"{MINUS}1.42"]),
        (amount(1234.5), ["1,234", f"1{NARROW}234", f"1{NARROW}234", "1,234"]),
        (amount(3e-9), [f"3e{MINUS}09", f"3e{MINUS}09", f"3e{MINUS}09", f"3e{MINUS}09"]),
        (Number(1.5, Style.SIGNED), ["+1.5", "+1,5", "+1,5", "+1.5"]),
        (Number(0.0, Style.SIGNED, 2), ["0.00", "0,00", "0,00", "0.00"]),
        (share(0.1834), ["18.3 %", "18,3%", f"18,3{WIDE}%", "18.3%"]),
        (share(0.05), ["5 %", "5%", f"5{WIDE}%", "5%"]),
        (Number(0.1834, Style.SIGNED_SHARE, 0), ["+18 %", "+18%", f"+18{WIDE}%", "+18%"]),
        (
            Number(-0.012, Style.POINTS, 1),
            [
                f"{MINUS}1.2 percentage points",
                f"{MINUS}1,2 p.p.",
                f"{MINUS}1,2{WIDE}п.{WIDE}п.",
                f"{MINUS}1.2 个百分点",
            ],
        ),
        (probability(0.2034), ["0.203", "0,203", "0,203", "0.203"]),
        (probability(1e-9), ["below 0.0001", "poniżej 0,0001", "ниже 0,0001", "低于 0.0001"]),
        (
            Number(1_772_409_900, Style.MOMENT),
            ["2026-03-02 00:05", "02.03.2026 00:05", "02.03.2026 00:05", "2026-03-02 00:05"],
        ),
        (Number(1_772_409_900, Style.DAY), ["2026-03-02", "02.03.2026", "02.03.2026", "2026-03-02"]),
        (Number(1_772_409_900, Style.HOUR), ["03-02 00:05", "02.03 00:05", "02.03 00:05", "03-02 00:05"]),
        (plain(0.05), ["0.05", "0,05", "0,05", "0.05"]),
        (duration(0.5), ["0.5 seconds", "0,5 sekundy", "0,5 секунды", "0.5 秒"]),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(number, written):
    assert [load(code).number(number) for code in ("en", "pl", "ru", "zh")] == written


def test_every_style_is_tried_above():
    tried = test_numbers_are_written_as_the_language_writes_them.pytestmark[0].args[1]
    assert {number.style for number, _ in tried} == set(Style)


def test_names_are_shown_as_they_are_whatever_they_hold():
    name = "{baseline} %s {0} \\ $x$"
    assert name in str(text("page.against", baseline=name))


def test_an_arg_may_be_a_list_of_words():
    assert str(Text("page.against", {"baseline": ("a", count(2), text("word.better"))})) == "Against a, 2, better"


def test_a_message_that_is_not_there_is_an_error():
    with pytest.raises(KeyError):
        ENGLISH.say(text("page.nowhere"))


def test_a_language_that_is_not_there_is_said():
    with pytest.raises(InvalidRequest, match="speaks en, pl, ru, zh"):
        load("xx")
