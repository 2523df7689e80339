"""Where runs leave what they made: a later run replaces it, and what somebody else put there is never touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from engine.errors import InvalidRequest
from engine.storage import open_store

_LOCK = "armlift.lock"
_MARKER = ".made-by-armlift"


def claim(directory: Path, names: Iterable[str]) -> Path:
    """Return the directory, made if it is not there, with none of these names in it.

    Raises:
        InvalidRequest: one of the names is there, and no earlier run marked the directory.
        StoreUnavailable: one of them is a store that is in use.
    """
    found = [directory / name for name in names if (directory / name).exists()]
    if found and not (directory / _MARKER).is_file():
        raise InvalidRequest(f"{found[0]} was not made by an earlier run: choose another --out")
    for path in found:
        if (path / _LOCK).is_file():
            # Whoever can take its lock is the only one who uses it.
            open_store(path).close()
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / _MARKER).touch()
    except OSError as error:
        raise InvalidRequest(f"{directory} cannot be written ({error.strerror}): choose another --out") from None
    return directory
