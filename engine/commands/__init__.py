"""The engine's commands; options that several of them share."""

from __future__ import annotations

import getpass

import click

from engine.settings import DEFAULT_ADDRESS

experiment_argument = click.argument("experiment")
server_option = click.option(
    "--server", default=DEFAULT_ADDRESS, show_default=True, envvar="ARMLIFT_SERVER", help="The server's host:port."
)
actor_option = click.option(
    "--actor", default=getpass.getuser, envvar="ARMLIFT_ACTOR", help="Who changes it.  [default: the login name]"
)
etag_option = click.option(
    "--etag", default="", help="Refuse it where somebody changed it since `show` or `population` told this etag."
)
reason_option = click.option("--reason", default="", help="Why; kept in the history.")
