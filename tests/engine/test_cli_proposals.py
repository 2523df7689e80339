"""The commands `armlift policy propose` and `withdraw`, as somebody types them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from armlift import Client
from click.testing import CliRunner

from engine import cli
from engine.clock import RequestClock
from engine.commands.policy import PLACES
from engine.service.server import Serving, serving_beside

FILE = """\
experiment: NAME
variants: [none, mens]
policy: POLICY
metrics: {visit: {kind: conversion, window: 1h}}
reward: {visit: 1}
"""
AT = datetime(2024, 1, 1, 12, tzinfo=UTC)
Run = Callable[..., str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proposing") / "store"


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    with serving_beside(Serving(store, "127.0.0.1:0", RequestClock(), companions=())) as bound:
        yield bound


@pytest.fixture
def run(address: str) -> Run:
    def run(*words: object, fails: bool = False) -> str:
        result = CliRunner().invoke(cli.cli, [*map(str, words), "--server", address])
        assert bool(result.exception) == fails, result.output
        return str(result.exception) if fails else result.output

    return run


@pytest.fixture
def file(store: Path) -> Callable[..., Path]:
    """Write the file of an experiment with a policy."""

    def write(name: str, policy: str) -> Path:
        path = store.parent / f"{name}.yaml"
        path.write_text(FILE.replace("NAME", name).replace("POLICY", policy))
        return path

    return write


@pytest.fixture
def started(run: Run, file: Callable[..., Path]) -> Callable[..., None]:
    def start(name: str, policy: str = "thompson") -> None:
        run("apply", file(name, policy))
        run("start", name)

    return start


def visited(address: str, name: str, n: int = 20) -> None:
    with Client(address, timeout_s=10.0) as client:
        for number in range(n):
            answer = client.assign(name, unit=f"u{number}", at=AT)
            if number % 2:
                client.record("visit", answer=answer, at=AT + timedelta(minutes=1))
        client.assign(name, unit="late", at=AT + timedelta(hours=3))


@pytest.mark.parametrize("name", ["propose", "proposals", "promote", "withdraw"])
def test_each_is_a_command_of_the_group(name: str) -> None:
    assert PLACES[name][1] in re.sub(r"\s+", " ", CliRunner().invoke(cli.cli, ["policy", "--help"]).output)


def test_a_policy_that_learns_nothing_is_proposed_without_a_log(run: Run, started: Callable[..., None], file) -> None:
    started("plain", "{fixed: {weights: {none: 0.5, mens: 0.5}}}")
    changed = file("plain", "{fixed: {weights: {none: 0.2, mens: 0.8}}}")
    said = run("policy", "propose", changed, "--reason", "more of them")
    assert said.splitlines() == [
        "plain: attempt 1 is frozen at row 0 of the log",
        "judge it with: armlift policy promote plain 1 --log ... --reason ...",
    ]
    assert "attempt 1, policy" in run("history", "plain")
    assert run("policy", "withdraw", "plain", 1, "--reason", "a mistake") == "attempt 1 of plain is withdrawn\n"
    assert "waits no longer" in run("policy", "withdraw", "plain", 1, "--reason", "again", fails=True)
    assert "has no attempt 7" in run("policy", "withdraw", "plain", 7, "--reason", "again", fails=True)


def test_a_policy_that_learns_is_frozen_with_what_the_log_teaches(
    run: Run, started: Callable[..., None], file, address: str, store: Path
) -> None:
    started("taught")
    changed = file("taught", "{thompson: {prior_beta: 3}}")
    told = ("--log", store, "--reason", "shyer")
    assert "which learns: say the server's store by --log" in run("policy", "propose", changed, *told[2:], fails=True)
    assert "for a reason" in run("policy", "propose", changed, *told[:2], fails=True)
    assert "has matured: propose it once one has" in run("policy", "propose", changed, *told, fails=True)
    visited(address, "taught")
    said = run("policy", "propose", changed, *told)
    assert re.search(r"its policy knows [0-9a-f]{12}: 20 rewards until 2024-01-01 13:00:00", said)


def test_a_shadow_is_proposed_without_a_file(
    run: Run, started: Callable[..., None], file, address: str, store: Path
) -> None:
    started("shaded", "{thompson: {control_share: 0.2}}\nshadow: {thompson: {prior_beta: 3}}")
    visited(address, "shaded")
    told = ("--log", store, "--reason", "it looks better")
    said = run("policy", "propose", "--shadow", "shaded", *told)
    assert "shaded: attempt 1 is frozen at row" in said
    assert "attempt 1, policy, shadow" in run("history", "shaded")
    run("policy", "promote", "shaded", "--force", "--reason", "today")
    served = run("show", "shaded")
    assert "prior_beta: 3" in served
    assert "control_share: 0.2" in served
    assert "shadow" not in served
    assert "has no shadow: propose a file" in run("policy", "propose", "--shadow", "shaded", *told, fails=True)
    for more in ((), ("--shadow", "shaded", file("shaded", "thompson"))):
        assert "an experiment whose --shadow is to serve" in run("policy", "propose", *more, *told, fails=True)


def test_what_the_log_cannot_speak_about_is_said_before_anything_is_learned(
    run: Run, started: Callable[..., None], file
) -> None:
    started("narrow")
    changed = file("narrow", "{thompson: {prior_beta: 3}}")
    changed.write_text(changed.read_text().replace("[none, mens]", "[none, mens, womens]"))
    said = run("policy", "propose", changed, "--reason", "more", fails=True)
    assert "nothing in the log says what the variant 'womens' earns: test it as an A/B test" in said


def test_a_file_that_is_none_and_an_experiment_that_is_none_are_said(run: Run, file, store: Path) -> None:
    assert "nowhere.yaml" in run("policy", "propose", store.parent / "nowhere.yaml", "--reason", "x", fails=True)
    unknown = file("unknown", "thompson")
    assert "no experiment 'unknown'" in run("policy", "propose", unknown, "--reason", "x", fails=True)
