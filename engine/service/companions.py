"""The processes beside the server: each is started with it, and again when it dies.

A companion is a module that is run as `python -m MODULE DIRECTORY ADDRESS PID`: the store's directory, the server's
address, and its process id. It reads the store, asks the server for whatever is to change, and ends when the process of
that id is no longer its parent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

LEARNER = "engine.service.learner"
"""The companion that learns from the log."""

_RESTART_AFTER_S = 1.0
_log = logging.getLogger(__name__)


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
