"""`python fake_dns/benchmark/fuzz.py CORPUS [libFuzzer options]`: packets against our own code.

Run as a file, not with `-m`: that would import the package before it can be instrumented.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's options say it is enough; a packet that raises ends it.

    Args:
        arguments: A directory for what is found, and options of libFuzzer.
    """
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["fake_dns"]):
        from fake_dns.benchmark.contestant import ZONE
        from fake_dns.fault_book import FaultBook
        from fake_dns.message import Transport
        from fake_dns.query_log import QueryLog
        from fake_dns.responder import Responder
        from fake_dns.zone_set import Publication, ZoneSet
    responder = Responder(Publication(ZoneSet([ZONE])), FaultBook(), QueryLog(capacity=10))
    transports = list(Transport)

    def one(octets: bytes) -> None:
        transport = transports[len(octets) % len(transports)]
        responder.respond(octets, transport, ("127.0.0.1", 5300))

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
