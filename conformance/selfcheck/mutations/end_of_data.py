"""Relays that take something else than CRLF.CRLF for the end of data: one for each sequence."""

from __future__ import annotations

from functools import partial

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import replace

_END_OF_DATA = b"\r\n.\r\n"


class LenientReader:
    """Stands in for the relay's `DataReader`; ends at whichever of its ends comes first."""

    ends: tuple[bytes, ...] = (_END_OF_DATA,)
    is_oversize = False

    def __init__(self, line_end: object, maximum_octets: int) -> None:
        # The line before the content ended in CRLF, so that a lone dot is an end as well.
        self._octets = b"\r\n"

    def feed(self, octets: bytes) -> bytes | None:
        self._octets += octets
        found = [(self._octets.find(end), end) for end in self.ends if end in self._octets]
        if not found:
            return None
        place, end = min(found)
        rest = self._octets[place + len(end) :]
        self._octets = self._octets[:place] + b"\r\n"
        return rest

    def content(self) -> bytes:
        return self._octets.replace(b"\r\n.", b"\r\n")[2:]


def data_also_ends_at(sequence: bytes) -> None:
    from reference_relay.smtp import server_session

    class Reader(LenientReader):
        ends = (_END_OF_DATA, sequence)

    replace(server_session, "DataReader", Reader)


MUTATIONS = {
    "lf-dot-lf-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\n.\n"), "LF.LF ends the data."
    ),
    "lf-dot-crlf-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\n.\r\n"), "LF.CRLF ends the data."
    ),
    "crlf-dot-lf-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\n.\n"), "CRLF.LF ends the data."
    ),
    "cr-dot-cr-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r.\r"), "CR.CR ends the data."
    ),
    "lf-dot-cr-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\n.\r"), "LF.CR ends the data."
    ),
    "cr-dot-lf-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r.\n"), "CR.LF ends the data."
    ),
    "cr-dot-crlf-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r.\r\n"), "CR.CRLF ends the data."
    ),
    "crlf-dot-cr-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\n.\r"), "CRLF.CR ends the data."
    ),
    "crlf-dot-crcrlf-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\n.\r\r\n"), "CRLF.CRCRLF ends the data."
    ),
    "crcrlf-dot-crcrlf-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\r\n.\r\r\n"), "CRCRLF.CRCRLF ends the data."
    ),
    "nul-before-the-dot-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\n\0.\r\n"), "A NUL before the dot is ignored."
    ),
    "nul-behind-the-dot-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\n.\0\r\n"), "A NUL behind the dot is ignored."
    ),
    "blank-behind-the-dot-ends-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\n. \r\n"), "A dot and a blank end the data."
    ),
    "two-dots-end-data": Mutation(
        ("DATA-06",), partial(data_also_ends_at, b"\r\n..\r\n"), "A stuffed dot ends the data."
    ),
}
