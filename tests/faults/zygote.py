"""A process that has the program loaded and forks a child for each line it reads: `amibus run`, at once.

Killing is what the test is about, and loading the program costs a second each time. The children are real
processes, each in a session of its own; the first line that a fork answers is the child's number.
"""

from __future__ import annotations

import os
import signal
import sys

from publisher.command.main import main


def serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    config, log = sys.argv[1:3]
    print("ready", flush=True)
    for _ in sys.stdin:
        child = os.fork()
        if child:
            print(child, flush=True)
            continue
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["amibus", "run", "--config", config]
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        main()


if __name__ == "__main__":
    serve()
