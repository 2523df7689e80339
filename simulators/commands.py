"""The commands `demo`, `replay` and `simulate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

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
@click.argument("world", type=click.Choice(["storefront"]))
@click.argument("file", type=click.Path(path_type=Path))
@_customers
@_seed
def simulate(world: str, file: Path, customers: int, seed: int) -> None:
    """Rehearse an experiment file in a simulated world, without a server.

    \b
    Example:
      armlift simulate storefront home-offer.yaml --customers 20000
    """
    from simulators.rehearsal import run

    run(world, file, customers, seed, Screen())


COMMANDS: Mapping[str, click.Command] = {"demo": demo, "replay": replay, "simulate": simulate}
"""The commands of this module by name."""
