"""Python's own settings for a process on the path of every event.

Turns: the event loop and the journal's threads take turns often, because a commit must not wait for a
burst to be decoded.

Garbage collection: an event makes no reference cycles, but every 140 of them would make the collector look
at what is young, and now and then at everything: some 200,000 objects, most of them the program itself, in
one pause of 20 ms and more. So what stands at the start is set aside for good, and the collector runs after
10,000 new objects. Cycles (a task's exception, a closed connection) are still collected, some seconds later.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_SECS: Final = 0.0005
# New objects until the young are looked at; such looks until the middle-aged are; those until all are.
COLLECT_AFTER: Final = (10_000, 20, 50)


def tune() -> None:
    """Call once everything is loaded and open, before the events come."""
    sys.setswitchinterval(SWITCH_SECS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
