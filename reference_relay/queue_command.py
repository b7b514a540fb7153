"""`reference-relay queue`: look at the queue of a running relay and order its mail about.

It talks to the management API. Exit status: 0 done, 1 the relay did not do all of it, 2 it cannot
be asked as told.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

ORDERS = ("hold", "release", "delete", "flush")
TOKEN_VARIABLE = "REFERENCE_RELAY_TOKEN"  # noqa: S105 - the name of a variable
_TIMEOUT_SECONDS = 30.0
_PAGE = 100


class CannotAsk(Exception):
    """The management API cannot be asked; the message says what to do."""


def add_parser(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("queue", help="look at a running relay's queue, and change it")
    parser.add_argument(
        "--management",
        required=True,
        metavar="ADDRESS:PORT",
        help="where the management API is; the ready line of `serve` says it",
    )
    parser.add_argument(
        "--token-environment",
        default=TOKEN_VARIABLE,
        metavar="NAME",
        help="the environment variable with the token (default: %(default)s)",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("count", help="count the messages by where they are")
    listing = actions.add_parser("list", help="list messages, the latest first")
    listing.add_argument("--configuration", metavar="ID", help="only those of a configuration")
    listing.add_argument("--all", action="store_true", help="settled ones too")
    listing.add_argument("--limit", type=_count, default=_PAGE, help="default: %(default)s")
    show = actions.add_parser("show", help="tell what became of a message")
    show.add_argument("queue_id", metavar="QUEUE-ID")
    texts = {
        "hold": "attempt no delivery until released",
        "release": "end a hold, due at once",
        "delete": "give up, without a DSN",
        "flush": "try now what waits for its retry",
    }
    for name in ORDERS:
        order = actions.add_parser(name, help=texts[name])
        whom = order.add_mutually_exclusive_group(required=True)
        whom.add_argument("queue_ids", nargs="*", default=[], metavar="QUEUE-ID")
        whom.add_argument("--all", action="store_true", help="everything in the queue")


def run(chosen: argparse.Namespace) -> int:
    """Do what the command line asks for.

    Returns:
        The exit status.
    """
    try:
        api = _API(chosen.management, chosen.token_environment)
        match chosen.action:
            case "count":
                for name, count in api.get("/lab/v1/queue").items():
                    _say(f"{name} {count}")
                return 0
            case "list":
                for message in _listed(api, chosen):
                    _say(_line(message))
                return 0
            case "show":
                return _show(api, chosen.queue_id)
            case order:
                return _order(api, order, chosen.queue_ids)
    except CannotAsk as error:
        _complain(str(error))
        return 2


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"expected a number above zero, found {text}")
    return count


def _listed(api: _API, chosen: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    left, before = chosen.limit, None
    while left:
        wanted = {
            "limit": min(left, _PAGE),
            "unsettled": str(not chosen.all).lower(),
            "configuration_id": chosen.configuration,
            "before": before,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        page = api.get(f"/lab/v1/messages?{urlencode(given)}")
        yield from page["messages"]
        left -= len(page["messages"])
        before = page["next"]
        if before is None:
            return


def _line(message: Mapping[str, Any]) -> str:
    recipients = [f"{one['address']}={one['state']}" for one in message["recipients"]]
    return " ".join(
        (
            message["queue_id"],
            message["state"],
            message["accepted_at"],
            f"attempts={message['attempts']}",
            f"next={message['next_attempt'] or '-'}",
            f"octets={message['octets']}",
            f"from={message['sender'] or '<>'}",
            *recipients,
        )
    )


def _show(api: _API, queue_id: str) -> int:
    status, message = api.ask("GET", f"/lab/v1/messages/{quote(queue_id, safe='')}")
    if status == http.HTTPStatus.NOT_FOUND:
        _complain(f"no message has the queue ID {queue_id}")
        return 1
    message = _whole(status, message)
    _say(_line(message))
    for recipient in message["recipients"]:
        for step in recipient["history"]:
            _say(f"  {recipient['address']} {step['at']} {step['state']} {step['text']}".rstrip())
    return 0


def _order(api: _API, order: str, queue_ids: Sequence[str]) -> int:
    whom = {"queue_ids": list(queue_ids)} if queue_ids else {"all": True}
    obeyed = _whole(*api.ask("POST", "/lab/v1/queue", {"order": order, **whom}))
    _say(f"{order}: {obeyed['done']} messages")
    for queue_id in obeyed["busy"]:
        _complain(f"{queue_id} is being delivered just now: not done")
    for queue_id in obeyed["unknown"]:
        _complain(f"{queue_id} is not in the queue")
    return 1 if obeyed["busy"] or obeyed["unknown"] else 0


def _whole(status: int, answer: Any) -> Any:
    if status != http.HTTPStatus.OK:
        problems = "; ".join(one["message"] for one in answer.get("errors", ()))
        raise CannotAsk(f"the relay answered {status}: {problems or 'no reason given'}")
    return answer


class _API:
    """The management API of a running relay."""

    def __init__(self, where: str, variable: str) -> None:
        address, _, port = where.rpartition(":")
        if not address or not port.isdigit():
            raise CannotAsk(f"--management: expected ADDRESS:PORT, found {where!r}")
        self._address, self._port = address.strip("[]"), int(port)
        self._where = where
        self._token = os.environ.get(variable, "")
        if not self._token:
            raise CannotAsk(f"set {variable} to the management token")
        self._variable = variable

    def get(self, path: str) -> Any:
        return _whole(*self.ask("GET", path))

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body and json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise CannotAsk(f"no relay answers at {self._where}: {error}") from None
        finally:
            connection.close()
        if response.status == http.HTTPStatus.UNAUTHORIZED:
            raise CannotAsk(f"the token in {self._variable} is not the relay's")
        try:
            return response.status, json.loads(content)
        except ValueError:
            raise CannotAsk(f"no management API at {self._where}: its answer is no JSON") from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"reference-relay: {text}\n")
