"""The machine that was measured on, and how busy others kept it meanwhile (Linux; elsewhere unknown)."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, frozen=True)
class Machine:
    """Names what the figures belong to."""

    cpu: str
    cores: int
    system: str
    python: str
    rabbitmq: str

    @property
    def sentence(self) -> str:
        broker = f"RabbitMQ {self.rabbitmq}" if self.rabbitmq else "no RabbitMQ"
        return f"{self.cpu}, {self.cores} cores, {self.system}, Python {self.python}, {broker}"


def this_machine(rabbitmq: str) -> Machine:
    return Machine(
        _cpu_model(),
        os.cpu_count() or 1,
        f"{platform.system()} {platform.release().split('-')[0]}",
        platform.python_version(),
        rabbitmq,
    )


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*: (.*)$", (_PROC / "cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def cpu_secs(pid: int) -> float:
    """User and system time of a process with all its threads; 0 where it is gone or cannot be seen."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """What the process holds in memory now; 0 where it cannot be seen."""
    return _status_bytes(pid, "VmRSS")


def peak_resident_bytes(pid: int) -> int:
    """The most that the process ever held in memory; 0 where it cannot be seen."""
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", (_PROC / str(pid) / "status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def pid_with(argument_part: str) -> int:
    """The process that has this text in its command line; 0 where there is none."""
    for folder in _PROC.glob("[0-9]*"):
        try:
            if (
                argument_part.encode() in (folder / "cmdline").read_bytes()
                and int(folder.name) != os.getpid()
            ):
                return int(folder.name)
        except OSError:
            continue
    return 0


def _busy_secs() -> float:
    """Time that all cores together were not idle."""
    try:
        fields = [int(field) for field in (_PROC / "stat").read_text().split("\n")[0].split()[1:]]
    except OSError:
        return 0.0
    # user nice system idle iowait irq softirq steal; the guest's time is in the user's already.
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICKS


class CpuWatch:
    """How many cores some processes used since `begin`, and how many all others did.

    `named` gives the processes of interest: what to call each, and its pid (0 where it cannot be seen).
    """

    def __init__(self, named: dict[str, int]) -> None:
        self._named = named
        self.begin()

    def begin(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy_secs()
        self._before = {name: cpu_secs(pid) for name, pid in self._named.items()}

    def cores(self) -> dict[str, float]:
        """Cores in use on average, by name, and under "others" what is none of them."""
        took = time.monotonic() - self._began
        used = {name: (cpu_secs(pid) - self._before[name]) / took for name, pid in self._named.items()}
        used["others"] = max(0.0, (_busy_secs() - self._busy) / took - sum(used.values()))
        return used


def mean_cores(rounds: Sequence[dict[str, float]]) -> str:
    """One sentence for the remarks: who used how much of the machine."""
    names = list(rounds[0])
    means = {name: sum(used[name] for used in rounds) / len(rounds) for name in names}
    return "cores: " + ", ".join(f"{name} {share:.2f}" for name, share in means.items())
