"""Filters: which events a binding or a session takes.

    engine: FilterEngine[str] = FilterEngine(on_quarantine)  # one a binding, or one for all sessions
    engine.add("dials of 200", EventFilter(regex="Dial.{1,}?200", events=["Dial"]))  # raises FilterInvalid
    decision = await engine.decide(events)                   # one job for the whole batch
    for event, verdict in zip(events, decision.verdicts): ...
        verdict.matched      # the ids whose filters take the event
        verdict.pending      # ids that need longer: their answer is in `await decision.settled()`
        verdict.undecided    # id -> "timeout", "quarantined" or "busy"; never to be read as "no"

`settled` gives all verdicts again with nothing pending, after at most a quarter of a second a pair of event
and filter; it need not be waited for. `replace`, `remove`, `in` and `len` do what they say.
`EventFilter.compiled` checks a filter (in any thread); what it gives can be added without work on the event
loop. `decide_now` and `settled_now` are for who has no event loop. `close` ends the engine.
`PatternQuarantined` is what `on_quarantine` gets. `LoneFilter` is for one filter by itself. `narrowed_keys`
says which topic patterns are enough for a filter.
"""

from consumers.filtering.engine import Decision, FilterEngine
from consumers.filtering.event_filter import CompiledFilter, EventFilter
from consumers.filtering.lone_filter import LoneFilter, Said
from consumers.filtering.narrowing import narrowed_keys
from consumers.filtering.verdicts import BUSY, QUARANTINED, TIMEOUT, PatternQuarantined, Reason, Verdict

__all__ = [
    "BUSY",
    "QUARANTINED",
    "TIMEOUT",
    "CompiledFilter",
    "Decision",
    "EventFilter",
    "FilterEngine",
    "LoneFilter",
    "PatternQuarantined",
    "Reason",
    "Said",
    "Verdict",
    "narrowed_keys",
]
