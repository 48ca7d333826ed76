"""A PBX for tests and demonstrations: speaks AMI as Asterisk 11, 20 and 22 do, and fails on demand."""

from publisher.simulator.faults import Fault, FaultError, FaultKind, Faults
from publisher.simulator.options import Pace, SimulatorOptions, User
from publisher.simulator.origination import Originated
from publisher.simulator.pbx import PortInUse, SimulatedPbx
from publisher.simulator.state import Channel, Member, Queue
from publisher.simulator.style import STYLES
from publisher.simulator.tally import Tally
from publisher.simulator.trace import Trace, TraceError
from publisher.simulator.traffic import Replay, Traffic

__all__ = [
    "STYLES",
    "Channel",
    "Fault",
    "FaultError",
    "FaultKind",
    "Faults",
    "Member",
    "Originated",
    "Pace",
    "PortInUse",
    "Queue",
    "Replay",
    "SimulatedPbx",
    "SimulatorOptions",
    "Tally",
    "Trace",
    "TraceError",
    "Traffic",
    "User",
]
