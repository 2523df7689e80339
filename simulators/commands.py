"""The commands `demo`, `replay` and `simulate`, and `policy warm`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from engine.commands import actor_option, experiment_argument, reason_option, server_option
from engine.errors import InvalidRequest
from simulators.showing import Screen

_seed = click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(min=0), help="The same seed gives the same customers."
)
_customers = click.option(
    "--customers", default=20_000, show_default=True, type=click.IntRange(min=1), help="How many come by."
)


@click.command()
@_customers
@_seed
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True)
def demo(customers: int, seed: int, out: Path) -> None:
    """Serve four experiments to simulated customers, and write their reports.

    \b
    Example:
      armlift demo --customers 20000 --out out/demo
    """
    from simulators.demo import run

    run(out, customers, seed, Screen())


@click.command()
@click.argument("csv", type=click.Path(path_type=Path))
@click.option("--recipe", required=True, type=click.Path(path_type=Path), help="What the columns of the file are.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/replay"), show_default=True)
@click.option("--skip-broken", is_flag=True, help="Leave rows out that cannot be read, and say which.")
def replay(csv: Path, recipe: Path, out: Path, skip_broken: bool) -> None:
    """Import a randomised CSV as a log, and replay it with a policy that learns.

    \b
    Example:
      armlift replay hillstrom.csv --recipe simulators/recipes/hillstrom.yaml --out out/hillstrom
    """
    from simulators.replay import run

    run(csv, recipe, out, skip_broken, Screen())


@click.command()
@click.argument("world")
@click.argument("file", type=click.Path(path_type=Path))
@_customers
@_seed
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="How many runs, each under the next seed."
)
def simulate(world: str, file: Path, customers: int, seed: int, seeds: int) -> None:
    """Rehearse an experiment file in a simulated world, and say what a test would have cost instead.

    \b
    The worlds:
      storefront   an online shop: segments, habits and delays of the demo
      bernoulli    a rate for each variant
      linear       the reward is linear in the context
      logistic     the same on the scale of log-odds
      sparse       about one reward in 500
      drifting     the best variant changes, twice
      delayed      long waits, and one in seven comes too late
      indifferent  a context that does not matter
      late-loser   every new variant is worse, and most of it comes too late
      articles     requests bring candidates, and their features matter
      channels     several channels reach a customer, and much is bought anyway
      digits       handwritten digits: which one is it? (needs scikit-learn)
      wine         wines: whose is it? (needs scikit-learn)

    \b
    Examples:
      armlift simulate storefront home-offer.yaml --customers 20000
      armlift simulate drifting home-offer.yaml --seeds 5
    """
    from simulators.simulating import Simulation, run

    run(file, Simulation(world, customers, seed, seeds), Screen())


@click.command()
@experiment_argument
@click.option("--csv", type=click.Path(path_type=Path), help="A randomised CSV to learn from; with --recipe.")
@click.option("--recipe", type=click.Path(path_type=Path), help="What the columns of the CSV are.")
@click.option("--skip-broken", is_flag=True, help="Leave rows of the CSV out that cannot be read.")
@click.option("--log", type=click.Path(path_type=Path), help="A store to learn from.")
@click.option("--from", "source", default="", help="The experiment of that store; this one's id by default.")
@server_option
@actor_option
@reason_option
def warm(
    *,
    experiment: str,
    csv: Path | None,
    recipe: Path | None,
    skip_broken: bool,
    log: Path | None,
    source: str,
    server: str,
    actor: str,
    reason: str,
) -> None:
    """Let a draft begin with what a randomised CSV or an older log teaches its policy.

    \b
    Examples:
      armlift policy warm home-offer --csv hillstrom.csv --recipe hillstrom.yaml --reason "last year's mailing"
      armlift policy warm home-offer --log old-store --from last-offer --reason "the same offers"
    """
    from simulators import warming

    if (csv is None) == (log is None) or (csv is None) != (recipe is None):
        raise InvalidRequest("say what to learn from: --csv with --recipe, or --log")
    if csv is not None and recipe is not None:
        teacher = warming.of_csv(csv, recipe, skip_broken=skip_broken)
    else:
        assert log is not None, "one of the two is given"
        teacher = warming.of_log(log, source or experiment)
    warming.warm(experiment, teacher, reason=reason, server=server, actor=actor, screen=Screen())


COMMANDS: Mapping[str, click.Command] = {"demo": demo, "replay": replay, "simulate": simulate, "warm": warm}
"""The commands of this module by name."""
