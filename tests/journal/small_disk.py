"""A disk that can be full: a tmpfs of its own for root, else a limit on the length of files."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class SmallDisk(Protocol):
    @property
    def folder(self) -> Path: ...

    def fill(self) -> None:
        """From now on nothing more fits."""
        ...

    def free(self) -> None:
        """There is space again."""
        ...


class Tmpfs:
    """The real thing: ENOSPC from the kernel. Filled by a file that takes the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    if not file.write(b"x" * size):
                        size //= 2
                except OSError:
                    size //= 2

    def free(self) -> None:
        self._ballast.unlink()


class LimitedFiles:
    """For an ordinary user: no file may grow beyond the longest there is (EFBIG instead of ENOSPC)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def fill(self) -> None:
        longest = max(path.stat().st_size for path in self.folder.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (longest, self._hard))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._hard, self._hard))


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    if os.geteuid() == 0:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        if mounted:
            try:
                yield Tmpfs(folder)
            finally:
                subprocess.run(["umount", "-l", str(folder)], check=True)
            return
    # Root in a container without the right to mount falls through to here.
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    disk = LimitedFiles(folder)
    try:
        yield disk
    finally:
        disk.free()
        signal.signal(signal.SIGXFSZ, ignored)
