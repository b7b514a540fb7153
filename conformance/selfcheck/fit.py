"""Does each mutation still find in the relay what it breaks?"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection

from conformance.selfcheck.mutations import MUTATIONS

# Ours: all of them take some seconds.
_MOST_SECONDS = 100.0


def misfits() -> Mapping[str, str]:
    """Apply each mutation in a process of its own; return what was raised, by its name.

    Raises:
        TimeoutError: It takes too long.
    """
    # The relay is read once, in a child that takes it along when it ends.
    context = multiprocessing.get_context("fork")
    ours, its = context.Pipe(duplex=False)
    child = context.Process(target=_tell_misfits, args=(its,))
    child.start()
    try:
        if not ours.poll(_MOST_SECONDS):
            raise TimeoutError(f"mutations not applied in {_MOST_SECONDS:g} s")
        found: Mapping[str, str] = ours.recv()
    finally:
        child.kill()
        child.join()
    return found


def _tell_misfits(answer: Connection) -> None:
    import reference_relay.cli
    import reference_relay.management.server  # noqa: F401

    raised = {name: _raised_by(name) for name in MUTATIONS}
    answer.send({name: text for name, text in raised.items() if text})


def _raised_by(name: str) -> str:
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            MUTATIONS[name].apply()
        except BaseException:
            os.write(writing, traceback.format_exc()[-2000:].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as raised:
        text = raised.read().decode("utf-8", "backslashreplace")
    os.wait()
    return text
