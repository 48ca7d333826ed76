"""Call events made while the system runs: raw events are taken, folded, published, and only then settled.

    `_calls` on the events' bus ─▶ CallFolding (a CallFold) ─▶ CallBus ─▶ bindings that are on calls

* `service.py`: the service.
* `kept_state.py`: the fold's state as it is kept on the bus.
"""

from consumers.folding.service import FOLD_BINDING, FOLDING, CallFolding, FoldingSettings

__all__ = ["FOLDING", "FOLD_BINDING", "CallFolding", "FoldingSettings"]
