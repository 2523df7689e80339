"""A small model with lessons for it: what the tests of the door to Vowpal Wabbit share."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.experiments import Variant
from engine.policies.features import Features
from engine.policies.vowpal import Encode, Lesson, Workspace

ROOT = Path(__file__).parents[3]
ARGUMENTS = ("--cb_explore_adf", "--squarecb", "--cb_type", "mtr", "-q", "UA", "-b", "18", "--random_seed", "0")
NAMES = ("a", "b", "c")


def features(*indices: int, values: list[float] | None = None) -> Features:
    return np.array(indices, np.uint64), np.array(values or [1.0] * len(indices), np.float32)


A, B, C = VARIANTS = tuple(Variant(name) for name in NAMES)
CONTEXT = features(1, 2)
NOTHING = features()


def encode(variant: Variant) -> Features:
    """Return features of a variant by its name and its number `x`, if there is one."""
    return features(100 + ord(variant.name[0]), 200, values=[1.0, variant.features.get("x", 0.0)])


def each(encode: Callable[[Variant], Features]) -> Encode:
    """Return what encodes variants one by one."""
    return lambda variants: [encode(variant) for variant in variants]


def workspace(blob: bytes = b"", schema: str = "s") -> Workspace:
    return Workspace(ARGUMENTS, each(encode), schema, blob)


def lessons(n: int, context: Features = CONTEXT, propensity: float = 1 / 3) -> list[Lesson]:
    """Lessons of draws at random, by which "c" is the best variant."""
    rng = np.random.default_rng(3)
    chosen = rng.integers(3, size=n)
    rewards = rng.random(n) < np.array([0.2, 0.4, 0.8])[chosen]
    return [Lesson(context, VARIANTS, NAMES[k], float(r), propensity) for k, r in zip(chosen, rewards, strict=True)]


def run(code: str) -> str:
    """Run Python code in a process of its own; a hang or a crash fails."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WILD = features(1, 2, values=[math.nan, 1e30])
"""What VW logs errors and warnings about; our encoder refuses it."""

EXPLORERS = {
    "squarecb": ("--squarecb",),
    "epsilon": ("--epsilon", "0.1"),
    "epsilon_decay": ("--epsilon_decay",),
    "softmax": ("--softmax", "--lambda", "10.0"),
    "bag": ("--bag", "5"),
    "first": ("--first", "30"),
    "rnd": ("--rnd", "3"),
    "cover": ("--cover", "3"),
    "regcb": ("--regcb", "--cb_min_cost", "-1", "--cb_max_cost", "0"),
}
"""Arguments by the explorer's name."""


def exploring(*arguments: str) -> Workspace:
    """Return a workspace with these arguments of an explorer."""
    rest = ("-q", "UA", "-b", "18", "--random_seed", "0")
    return Workspace(("--cb_explore_adf", *arguments, *rest), each(encode), "s")
