"""From a binding on the bus to its sink: filtered, ordered per call, tried again, parked.

    subscription ─▶ intake (decode, filter) ─▶ lanes (a call each) ─▶ sink.take ─▶ settle
                                                     └── after too many strikes ─▶ parking lot ─▶ settle

* `lanes.py`: who may go next; pure.
* `strikes.py`: whether a failure is the event's fault or the sink's; pure.
* `recent.py`: ids that were taken lately.
* `intake.py`: what becomes of a delivery before the sink sees it.
* `worker.py`: one binding's takes under way.
* `runner.py`: one binding, from its bus to its end.

Nothing is settled before its sink or the parking lot has it. One binding shares nothing with another but the
process: its subscription, lanes, sink and tasks are its own.
"""
