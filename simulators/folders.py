"""Folders of one's own: what an earlier run left is removed, what somebody else put there never is."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.errors import InvalidRequest

_MARKER = ".made-by-armlift-simulators"


def claim(directory: Path) -> Path:
    """Return the directory, made and empty but for a marker.

    Raises:
        InvalidRequest: there is something that no earlier run made.
    """
    if directory.exists() and not (directory / _MARKER).is_file():
        if not directory.is_dir() or any(directory.iterdir()):
            raise InvalidRequest(f"{directory} holds something that no earlier run made: choose another --out")
    elif directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _MARKER).touch()
    return directory


def discard(directory: Path) -> None:
    """Remove what an earlier run made, if it is there.

    Raises:
        InvalidRequest: no earlier run made it.
    """
    if directory.exists():
        shutil.rmtree(claim(directory))
