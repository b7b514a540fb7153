"""Ties a Locust environment to the plan: one process, --processes, or --master and --worker.

The plan comes by environment to the process that is alone or the master, which sends it to its
workers as a Locust message; a password never travels, so each machine has it in its environment.
What a worker measured goes back the same way, and the master merges it without loss.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import os
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from loadtests.gevent_channel import patrol
from loadtests.measurement import Measurement
from loadtests.plan import FOLDER_VARIABLE, PASSWORD_VARIABLE, PLAN_VARIABLE, Plan
from loadtests.room import Room

_PLAN_MESSAGE = "submission-plan"
_BOOKS_MESSAGE = "submission-books"
_FINISHED_MESSAGE = "submission-finished"


class Generator:
    """One Locust process of a run."""

    def __init__(self, environment: Any) -> None:
        """Listen to what the other processes of the run say.

        Raises:
            KeyError, OSError, ValueError: There is no plan to follow, or no password.
        """
        self._environment = environment
        self._runner = environment.runner
        self._finished: set[str] = set()
        self._plan: Plan | None = None
        self._share = (0, 1, 0.0)
        self._has_reported = False
        if isinstance(self._runner, WorkerRunner):
            _ = os.environ[PASSWORD_VARIABLE]  # complains now, not in the middle
            self._runner.register_message(_PLAN_MESSAGE, self._receive_plan)
        else:
            self._plan = _at_home(Plan.read(Path(os.environ[PLAN_VARIABLE])))
            if isinstance(self._runner, MasterRunner):
                self._runner.register_message(_BOOKS_MESSAGE, self._receive_books)
                self._runner.register_message(_FINISHED_MESSAGE, self._receive_finished)
            else:
                _ = os.environ[PASSWORD_VARIABLE]  # as above

    def begin(self) -> None:
        """The run begins: hand out the plan, or open the books."""
        plan, runner = self._plan, self._runner
        if isinstance(runner, MasterRunner):
            assert plan is not None
            self._finished.clear()
            clients = list(runner.clients)
            begins_at = time.time() + plan.lead_seconds
            for number, client_id in enumerate(clients):
                share = [number, len(clients), begins_at]
                table = {"plan": plan.to_json(), "share": share}
                runner.send_message(_PLAN_MESSAGE, table, client_id)
            return
        if plan is None:
            raise RuntimeError("the master sent no plan")
        worker, workers, begins_at = self._share
        if not begins_at:
            begins_at = time.time() + plan.lead_seconds
        self._has_reported = False
        # What modules hold lives for ever; looking through it again and again costs 2 % of a core.
        gc.collect()
        gc.freeze()
        room = Room(plan, worker, workers, begins_at)
        self._environment.submission_room = room
        gevent.spawn(patrol)
        gevent.spawn(room.watch, self._finish)

    def end(self) -> None:
        """The run is over: close the books, and send them where they are wanted."""
        room: Room | None = getattr(self._environment, "submission_room", None)
        if room is None:
            return
        with contextlib.suppress(OSError):
            # Said already, and nobody can do anything here.
            room.close()
        if isinstance(self._runner, WorkerRunner) and not self._has_reported:
            self._report(room)

    def _report(self, room: Room) -> None:
        self._has_reported = True
        folder, worker = Path(room.plan.folder), room.worker
        names = (
            f"accepted-{worker}.numbers",
            f"in-doubt-{worker}.numbers",
            f"measurement-{worker}.json",
        )
        books = {name: _packed(folder / name) for name in names}
        self._runner.send_message(_BOOKS_MESSAGE, books)

    def _finish(self) -> None:
        if isinstance(self._runner, WorkerRunner):
            # Before the master is told to end: it does not wait for what comes later.
            room: Room = self._environment.submission_room
            with contextlib.suppress(OSError):
                room.close()
            self._report(room)
            self._runner.send_message(_FINISHED_MESSAGE, {})
        else:
            self._quit()

    def _quit(self) -> None:
        options = self._environment.parsed_options
        if options is not None and options.headless:
            self._runner.quit()
        else:
            self._runner.stop()

    def _receive_plan(self, environment: Any, msg: Any, **_: Any) -> None:
        self._plan = _at_home(Plan.from_json(msg.data["plan"]))
        number, workers, begins_at = msg.data["share"]
        self._share = (int(number), int(workers), float(begins_at))

    def _receive_books(self, environment: Any, msg: Any, **_: Any) -> None:
        assert self._plan is not None
        folder = Path(self._plan.folder)
        for name, packed in msg.data.items():
            # Names are made by workers: nothing but a plain name is taken.
            (folder / Path(name).name).write_bytes(zlib.decompress(base64.b64decode(packed)))
        Measurement.merged(folder.glob("measurement-*.json")).write(folder / "merged.json")

    def _receive_finished(self, environment: Any, msg: Any, **_: Any) -> None:
        self._finished.add(msg.node_id)
        if self._finished >= set(self._runner.clients):
            self._quit()


def _at_home(plan: Plan) -> Plan:
    """The plan with a folder of this machine: that of the plan may be nowhere here."""
    return replace(plan, folder=os.environ.get(FOLDER_VARIABLE, plan.folder))


def _packed(path: Path) -> str:
    return base64.b64encode(zlib.compress(path.read_bytes())).decode()


def _prepare(environment: Any, **_: Any) -> None:
    """Give the environment its generator, once Locust has made it."""
    try:
        generator = Generator(environment)
    except (KeyError, OSError, ValueError) as error:
        sys.stderr.write(
            f"no plan to follow ({error}): start with `python -m loadtests`, or see "
            "“Many hosts” in loadtests/README.md\n"
        )
        sys.exit(2)
    # The loop's clock stands still while modules load, and Locust's run time would begin back then.
    gevent.get_hub().loop.update_now()
    events.test_start.add_listener(lambda **_: generator.begin())
    events.test_stop.add_listener(lambda **_: generator.end())


events.init.add_listener(_prepare)
