"""A PBX for tests and demonstrations: speaks AMI as Asterisk 11, 20 and 22 do, and fails on demand."""

from publisher.simulator.calls import Pace
from publisher.simulator.options import SimulatorOptions, User
from publisher.simulator.pbx import PortInUse, SimulatedPbx
from publisher.simulator.state import Channel, Member, Queue
from publisher.simulator.style import STYLES
from publisher.simulator.trace import Trace, TraceError
from publisher.simulator.traffic import Replay, Traffic

__all__ = [
    "STYLES",
    "Channel",
    "Member",
    "Pace",
    "PortInUse",
    "Queue",
    "Replay",
    "SimulatedPbx",
    "SimulatorOptions",
    "Trace",
    "TraceError",
    "Traffic",
    "User",
]
