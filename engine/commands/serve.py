"""`armlift serve`."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from engine.clock import RequestClock, WallClock
from engine.service.companions import LEARNER
from engine.service.server import Serving
from engine.service.server import serve as run
from engine.settings import DEFAULT_ADDRESS

# A companion is named and not imported, as a command is in `engine.cli`: what moves ramps needs the statistics of
# `analysis`, which the engine must not know, and so it is a process that asks the server as anybody else would.
COMPANIONS = (LEARNER, "analysis.ramping")
"""The modules that are run beside the server."""


@click.command()
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("armlift-store"),
    show_default=True,
    help="Where the log, the registry and the learner's file are; made if it is not there.",
)
@click.option("--address", default=DEFAULT_ADDRESS, show_default=True, help="host:port; port 0 takes a free one.")
@click.option(
    "--clock",
    type=click.Choice(["wall", "request"]),
    default="wall",
    show_default=True,
    help="Whose time it is: the machine's, or the `at` of each request (demo, replay, tests).",
)
@click.option("--alone", is_flag=True, help="Run no process beside: nothing learns, and no ramp moves by itself.")
def serve(store: Path, address: str, clock: str, alone: bool) -> None:
    """Answer requests until Ctrl-C.

    \b
    Example:
      armlift serve --store armlift-store --address 127.0.0.1:7878
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    chosen = WallClock() if clock == "wall" else RequestClock()
    serving = Serving(store, address, chosen, () if alone else COMPANIONS)
    run(serving, lambda bound: click.echo(f"serving on {bound}"))


COMMANDS = {"serve": serve}
