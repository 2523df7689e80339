"""A real server in a process of its own, to be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class RunningServer:
    process: subprocess.Popen[str]
    address: str

    def kill(self) -> None:
        """End it by SIGKILL: nothing is flushed, nothing is said goodbye to."""
        self.process.kill()
        self.process.wait()

    def learner(self) -> int:
        """Return the process id of the learner beside it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while True:
            for child in children.read_text().split():
                with suppress(OSError):
                    if "engine.service.learner" in Path(f"/proc/{child}/cmdline").read_text():
                        return int(child)
            time.sleep(0.01)  # it is started once the server answers


StartServer = Callable[[str], RunningServer]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers on one store, by the clock that is named; what still runs at the end is killed."""
    started: list[RunningServer] = []

    def start(clock: str) -> RunningServer:
        command = [sys.executable, "-m", "engine.cli", "serve", "--store", str(tmp_path / "store"), "--clock", clock]
        process = subprocess.Popen([*command, "--address", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("serving on ").strip()
        server = RunningServer(process, address)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()
        assert server.process.stdout is not None
        server.process.stdout.close()
