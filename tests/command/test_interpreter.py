"""The settings of Python that a service runs with. In a process of its own: they hold for all of it."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import gc, json, sys, weakref
from publisher.command.interpreter import tune

class Node:
    pass

tune()
frozen = gc.get_freeze_count()
dead = []
for _ in range(20_000):
    node = Node()
    node.itself = node
    dead.append(weakref.ref(node, lambda ref: None))
alive = sum(ref() is not None for ref in dead)
print(json.dumps({"frozen": frozen, "alive": alive, "switch": sys.getswitchinterval()}))
"""


def test_what_stands_at_the_start_is_set_aside_and_later_cycles_are_still_collected() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["frozen"] > 5_000
    assert found["alive"] <= 10_000
    assert found["switch"] < 0.001
