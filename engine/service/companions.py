"""The processes beside the server: each is started with it, and again when it dies.

A companion is a module that is run as `python -m MODULE DIRECTORY ADDRESS PID`: the store's directory, the server's
address, and its process id. It reads the store, asks the server for whatever is to change, and ends when the process of
that id is no longer its parent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine.errors import StoreUnavailable

LEARNER = "engine.service.learner"
"""The companion that learns from the log."""

_RESTART_AFTER_S = 1.0
_log = logging.getLogger(__name__)


def accompany(what: str, run: Callable[[Path, str, int], None]) -> None:
    """Be a companion: run by the arguments of the command line, until the server is gone or the store is.

    What was under way then is found again by the next one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then stops this process
    try:
        run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    except StoreUnavailable as error:
        sys.exit(f"{what} ends: {error}")


async def keep_running(module: str, directory: Path, address: str) -> None:
    """Run a companion, and run it again when it dies, until this is cancelled."""
    # A companion cannot ask for its parent: if that is gone already, it would take whoever inherited it for the server.
    command = (sys.executable, "-m", module, str(directory), address, str(os.getpid()))
    while True:
        # Not asyncio's subprocess: it forks, and gRPC's threads do not survive a fork.
        process = subprocess.Popen(command)  # noqa: S603 (a module of ours)
        try:
            code = await asyncio.to_thread(process.wait)
        except asyncio.CancelledError:
            process.terminate()
            raise
        _log.error("%s ended with code %s and is started again", module, code)
        await asyncio.sleep(_RESTART_AFTER_S)
