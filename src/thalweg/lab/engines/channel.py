"""A program of our own in another process, with messages to and from it through its standard input and output.

multiprocessing would import the caller's script again, which then needs an `if __name__ == "__main__"`, and with it
perhaps torch, before the environment says how many threads there are; and no worker's data loader could have workers.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

BEGIN = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {} import main; main()"
LAST_WORDS = 5.0  # seconds that a program whose pipe has closed gets to end
BROKEN = (EOFError, OSError, ValueError, pickle.UnpicklingError)  # what reading a pipe raises when the other side died

Program = subprocess.Popen[bytes]


def begin(module: str, environment: Mapping[str, str], put: Callable[[Program, Any], None]) -> Program:
    """Start the `main` of a module in a process of its own.

    Args:
        module: By its full name.
        environment: What its environment says besides ours.
        put: Called, in another thread, with the program and each of its messages; with None when it has ended.
    """
    command = [sys.executable, "-c", BEGIN.format(module), json.dumps(sys.path)]
    program = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **environment}
    )
    threading.Thread(target=_listen, args=(program, put), daemon=True).start()
    return program


def _listen(program: Program, put: Callable[[Program, Any], None]) -> None:
    assert program.stdout is not None
    with program.stdout, suppress(*BROKEN):
        while True:
            put(program, pickle.load(program.stdout))
    with suppress(subprocess.TimeoutExpired):
        program.wait(LAST_WORDS)
    put(program, None)


def send(program: Program, message: Any) -> None:
    """Give a program a message; one that has died gets none, and `put` is told of that."""
    assert program.stdin is not None
    with suppress(OSError):
        pickle.dump(message, program.stdin)
        program.stdin.flush()


def stop(program: Program, patience: float = 0.0) -> None:
    """End a program, and wait for its end.

    Args:
        program: Which; it may have ended.
        patience: Seconds that it gets to end by itself once its standard input is closed.
    """
    assert program.stdin is not None
    with suppress(OSError):
        program.stdin.close()
    try:
        program.wait(patience)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def parent(ended: Callable[[], None] = lambda: None) -> tuple[Callable[[Any], None], queue.SimpleQueue[Any]]:
    """The program's own side: how to tell something, and what it is told.

    Args:
        ended: Called, in another thread, when nobody is there any more, also in the middle of a long epoch; the last
            that the program is told is None.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; who began us decides
    orders, told = _pipes()
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def receive() -> None:
        with suppress(*BROKEN):
            while True:
                inbox.put(pickle.load(orders))
        inbox.put(None)
        ended()

    def tell(message: Any) -> None:
        pickle.dump(message, told)
        told.flush()

    threading.Thread(target=receive, daemon=True).start()
    return tell, inbox


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output, for us alone: what a user's code prints goes to standard error; it reads nothing."""
    ours = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    with suppress(OSError):  # a process without a terminal may have no standard error
        os.dup2(2, 1)
    return ours
