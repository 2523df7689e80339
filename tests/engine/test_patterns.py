"""Patterns: what they find, what is refused, and that none takes much longer than any other."""

import re
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.patterns import MAX_PATTERN, MAX_TEXT, compile_pattern

HARMLESS = "[0-9]"
EXPLODING = [
    "(a+)+$",
    "(a|aa)+$",
    "(a|a?)+$",
    "(a*)*b",
    "(.*a){20}$",
    "(.*)(.*)(.*)(.*)(.*)[^a!x]",
    "a?" * 20 + "a" * 20 + "c",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"([a-zA-Z]+)*\d$",
    r"(\w+\s?)*$",
    "(x+x+)+y",
]
MOST_TIMES = 200
"""One that backtracks takes more than the age of the universe for some of these; a slow machine is not so slow."""


def seconds(pattern, text):
    is_in = compile_pattern(pattern)

    def once():
        start = time.perf_counter()
        is_in(text)
        return time.perf_counter() - start

    return statistics.median(once() for _ in range(9))


@pytest.mark.parametrize(
    ("pattern", "text", "is_in"),
    [
        ("^a", "ab", True),
        ("^a", "ba", False),
        ("b$", "ab", True),
        ("b$", "ab\n", False),
        ("a/b", "a/b", True),
        (r"a\/b", "a/b", True),
        (r"\d{3}", "a 123", True),
        ("(mobile|tablet)", "Mobile", False),
        ("é", "café", True),
        ("^.$", "é", True),
        ("^.$", "\U0001f600", True),
        ("", "", True),
        ("^$", "a", False),
        ("b", "a\x00b", True),
        ("b", "\ud800b", True),
    ],
)
def test_a_pattern_is_looked_for_anywhere_in_a_text(pattern, text, is_in):
    assert compile_pattern(pattern)(text) is is_in


def test_the_case_counts_unless_it_is_ignored():
    assert not compile_pattern("É+a")("éA")
    assert compile_pattern("É+a", ignore_case=True)("éA")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)", "invalid perl operator"),
        ("(?!a)", "invalid perl operator"),
        ("(?<=a)b", "invalid perl operator"),
        ("(?<!a)b", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("(?P<n>a)(?P=n)", "invalid"),
        ("(?>a)", "invalid perl operator"),
        ("a++", "bad repetition operator"),
        ("(", "missing )"),
        ("*a", "no argument for repetition"),
        ("[a", "missing ]"),
        ("\\", "trailing"),
        ("a{1,1001}", "invalid repetition size"),
        ("(ab){1000}", "too large"),
        ("(a{1,30}){1,30}c" * 3, "too large"),
        ("a" * (MAX_PATTERN + 1), "1001 characters, and 1000 are the most"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_what_cannot_be_bounded_is_refused_and_nothing_is_written(pattern, why, capfd):
    for ignore_case in (False, True):
        with pytest.raises(ValueError, match=re.escape(why)):
            compile_pattern(pattern, ignore_case=ignore_case)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pattern", EXPLODING)
@pytest.mark.parametrize("text", ["a" * (MAX_TEXT - 1) + "!", "x" * MAX_TEXT, "ab" * (MAX_TEXT // 2)], ids="axb")
def test_a_pattern_that_explodes_elsewhere_takes_a_small_multiple_of_a_harmless_one(pattern, text, capfd):
    assert seconds(pattern, text) < MOST_TIMES * seconds(HARMLESS, text)
    assert capfd.readouterr() == ("", "")


def test_a_pattern_that_outgrows_its_memory_still_answers_and_writes_nothing(capfd):
    text = "".join("ab"[number * number % 7 % 2] for number in range(MAX_TEXT))
    assert not compile_pattern("(a|b)*a(a|b){300}c")(text)
    assert compile_pattern("(a|b)*a(a|b){300}$")(text + "c") is False
    assert capfd.readouterr() == ("", "")


def test_a_text_that_is_too_long_matches_no_pattern():
    assert compile_pattern("a")("a" * MAX_TEXT)
    assert not compile_pattern("a")("a" * (MAX_TEXT + 1))


@given(
    st.text(max_size=12) | st.text("ab()[]{}*+?|\\^$.,1", max_size=12), st.text(st.characters(codec=None), max_size=9)
)
def test_any_text_is_a_pattern_or_refused_by_a_sentence(pattern, text):
    why, is_in = "", str.isascii
    try:
        is_in = compile_pattern(pattern)
    except ValueError as refused:
        why = str(refused)
    assert (is_in is str.isascii) == bool(why)
    assert is_in(text) in (True, False)
