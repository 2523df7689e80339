"""Experiment files that a world has never heard of, of every form."""

from __future__ import annotations

from engine.experiments import Experiment
from engine.files import load

PLAIN = """
experiment: plain
context: {x1: number, x2: number}
variants: [ochre, teal, plum]
metrics: {win: {kind: conversion, window: 1h}}
reward: {win: 1}
"""
EVERY_TYPE = """
experiment: every-type
context: {x1: number, device: text, mood: text, tags: [text], sunny: {type: flag, required: true}, consent: flag}
requires_consent: consent
variants: [ochre, teal]
policy: thompson
metrics:
  wave: {kind: conversion, window: 1h}
  coins: {kind: revenue, window: 2h, cap: 40}
reward: {wave: 0.5, coins: 0.5}
"""
EVERY_KIND = """
experiment: every-kind
variants: [ochre, teal]
policy: thompson
metrics:
  paid: {kind: revenue, of: order, window: 5d, cap: 80}
  bought: {kind: conversion, of: order, window: 5d}
  value: {kind: ratio, of: paid, per: bought}
  large: {kind: quantile, of: order, quantile: 0.9}
  latency: {kind: quantile, quantile: 0.5, better: lower}
  pages: {kind: count, of: page, window: 2h, cap: 2.5}
  visited: {kind: conversion, of: visit, window: 4d}
  back: {kind: retention, of: visit, window: 5d, after: 3d}
  happy: {kind: csat}
  advise: {kind: nps}
reward: {paid: 0.2, bought: 0.2, pages: 0.2, visited: 0.2, back: 0.2}
"""
COSTLY = """
experiment: costly
variants: [ochre, teal, plum]
metrics:
  paid: {kind: revenue, of: order, window: 3d, cap: 80}
  soon: {kind: conversion, of: order, window: 4h}
  returned: {kind: conversion, window: 7d, better: lower}
  happy: {kind: csat, range: [1, 5]}
reward: {paid: 0.7, soon: 0.2, returned: -0.5, happy: {weight: 0.1, aggregation: mean}}
reward_scale: [-0.2, 0.6]
reward_default: 0.1
"""
FACTORS = """
experiment: factors
factors: {colour: [ochre, teal], size: [small, large]}
metrics: {win: {kind: conversion, window: 1h}}
reward: {win: 1}
"""
READING = """
experiment: reading
context: {x1: number, x2: number, mood: text}
candidates: {length: number, topic: text, fresh: flag}
variants: [front, back]
policy: {fixed: {}}
metrics: {read: {kind: conversion, window: 1h}}
reward: {read: 1}
"""
SLATE = """
experiment: slate
variants: [ochre, teal, plum, lime]
slots: 2
exposure: reported
metrics: {win: {kind: conversion, window: 1h}}
reward: {win: 1}
"""
BOUNDED = """
experiment: bounded
variants: [ochre, teal]
metrics:
  paid: {kind: revenue, window: 1d, cap: 30, range: [0, 500]}
  more: {kind: revenue, of: paid, window: 1d, range: [-5, 45]}
reward: {paid: 0.5, more: 0.5}
"""
FILES = {
    "plain": PLAIN,
    "every-type": EVERY_TYPE,
    "every-kind": EVERY_KIND,
    "costly": COSTLY,
    "factors": FACTORS,
    "reading": READING,
    "slate": SLATE,
    "bounded": BOUNDED,
}


def odd(name: str) -> Experiment:
    """Return one of them by name."""
    return load(FILES[name])
