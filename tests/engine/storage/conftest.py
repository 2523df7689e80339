"""A disk that fails."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest


@pytest.fixture
def full_disk() -> Callable[[Path, int], AbstractContextManager[None]]:
    """Return what lets no file grow beyond a directory's largest one by more than some bytes, as a full disk does."""

    @contextmanager
    def fill(directory: Path, spare_bytes: int) -> Iterator[None]:
        largest = max(path.stat().st_size for path in directory.iterdir())
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + spare_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return fill
