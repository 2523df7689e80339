"""`armlift serve`."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from engine.clock import RequestClock, WallClock
from engine.service.server import Serving
from engine.service.server import serve as run
from engine.settings import DEFAULT_ADDRESS


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
@click.option("--learner/--no-learner", default=True, show_default=True, help="Run the learner process beside.")
def serve(store: Path, address: str, clock: str, learner: bool) -> None:
    """Answer requests until Ctrl-C.

    \b
    Example:
      armlift serve --store armlift-store --address 127.0.0.1:7878
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    chosen = WallClock() if clock == "wall" else RequestClock()
    run(Serving(store, address, chosen, learner), lambda bound: click.echo(f"serving on {bound}"))


COMMANDS = {"serve": serve}
