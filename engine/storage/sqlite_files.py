"""How the files of a store are opened: connections that write or read, and the lock.

SQLite up to 3.51.2 can corrupt a file in WAL mode when one connection checkpoints while another commits. So one
connection of one process writes and checkpoints a file, held by a lock; all others are read-only.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from engine.errors import StoreUnavailable
from engine.storage.schema import STORE_STEPS, Step, format_of, migrate, refuse_newer

STORE_FILE = "armlift.db"
STORE_LOCK = "armlift.lock"
LEARNING_FILE = "learning.db"
LEARNING_LOCK = "learning.lock"

_WAIT_S = 5.0

_WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # What was answered survives the machine's fall too, not only the process'.
    "PRAGMA synchronous = FULL",
    # Checkpoints run between commits, when the store says so.
    "PRAGMA wal_autocheckpoint = 0",
    # A forgotten unit's id leaves the file, not only the table.
    "PRAGMA secure_delete = ON",
)


def open_writing(path: Path, steps: Sequence[Step]) -> sqlite3.Connection:
    """Return the one connection that writes a file, made and brought to this format where needed.

    It is bound to the thread that calls, and begins and ends transactions only where it is told to.
    """
    with unavailable(path):
        connection = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_S)
        with _closed_on_error(connection):
            for pragma in _WRITER_PRAGMAS:
                connection.execute(pragma)
            migrate(connection, steps)
        return connection


def open_reading(path: Path, steps: Sequence[Step]) -> sqlite3.Connection | None:
    """Return a connection that can only read a file, or None where nothing was made yet.

    It may be handed to another thread; two must not use it at the same time.
    """
    if not path.exists():
        return None
    with unavailable(path):
        address = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_WAIT_S, check_same_thread=False)
        with _closed_on_error(connection):
            connection.execute("PRAGMA query_only = ON")
            refuse_newer(connection, steps)
            found = format_of(connection)
        if found == len(steps):
            return connection
        connection.close()
        if found:
            raise StoreUnavailable(f"{path} is of an older format: start its writer once, which brings it up to date")
        return None


class OpenedStore:
    """A directory's store that was opened to be read: what the parts of a reader ask their questions of."""

    def __init__(self, directory: str | Path) -> None:
        """Open the file of the directory's store.

        Raises:
            StoreUnavailable: there is no store, or one of another format.
        """
        self._path = Path(directory) / STORE_FILE
        self._connection = self._open()

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = open_reading(self._path, STORE_STEPS)
        if connection is None:
            where = self._path.parent
            raise StoreUnavailable(f"there is no store in {where}: name its directory, or let a server make it")
        return connection

    def _all(self, query: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with unavailable(self._path):
            return self._connection.execute(query, parameters).fetchall()


@contextmanager
def unavailable(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say of a file into StoreUnavailable."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"{path} cannot be used ({error}): see to the disk and the file's rights") from error


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def checkpoint(connection: sqlite3.Connection, mode: str = "PASSIVE") -> None:
    """Bring what is in the WAL into the file, as far as readers allow."""
    # What is committed is safe in the WAL as well; a disk that fails here fails the next commit, which says so.
    with suppress(sqlite3.Error), closing(connection.execute(f"PRAGMA wal_checkpoint({mode})")) as done:
        done.fetchall()


class FileLock:
    """Holds a file for this process until it is released, or the process ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            StoreUnavailable: somebody else holds it.
        """
        with unavailable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise StoreUnavailable(
                f"the store in {path.parent} is in use by process {holder}, a running server, learner or command: "
                "stop it, or ask the server with --server"
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give the file up."""
        self._file.close()
