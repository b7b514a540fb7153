"""Record types that have no value of their own here, through dnspython's readers and writers.

Imported when the first such type is met, so that nobody else waits for it.
"""

from __future__ import annotations

from fake_dns.name import Name


class NotRead(ValueError):
    """A text or octets that the type cannot hold; the message is dnspython's."""


def octets_of(code: int, text: str, origin: Name) -> bytes:
    """Turn a presentation form into RDATA octets.

    Raises:
        NotRead: No such type, or the text does not fit it.
    """
    import dns.exception
    import dns.name
    import dns.rdata
    from dns.rdatatype import RdataType

    absolute = dns.name.Name((*origin.labels, b""))
    try:
        rdata = dns.rdata.from_text(
            "IN", RdataType.make(code), text, origin=absolute, relativize=False
        )
        octets = rdata.to_wire(origin=absolute)
    # Readers of rare types raise what their parts raise.
    except (dns.exception.DNSException, ValueError, LookupError, TypeError, OverflowError) as error:
        raise NotRead(_in_one_line(error)) from error
    return octets or b""


def text_of(code: int, octets: bytes) -> str:
    """Turn RDATA octets into a presentation form with absolute names.

    Raises:
        NotRead: The octets are no such record.
    """
    import dns.exception
    import dns.rdata
    from dns.rdatatype import RdataType

    try:
        text: str = dns.rdata.from_wire(
            "IN", RdataType.make(code), octets, 0, len(octets)
        ).to_text()
    except (dns.exception.DNSException, ValueError, LookupError) as error:
        raise NotRead(_in_one_line(error)) from error
    return text


def strings_of(octets: bytes) -> tuple[bytes, ...]:
    """Cut RDATA octets into character-strings (RFC 1035 §3.3.14).

    Raises:
        NotRead: A string reaches beyond the end, or there is none.
    """
    strings: list[bytes] = []
    position = 0
    while position < len(octets):
        end = position + 1 + octets[position]
        if end > len(octets):
            raise NotRead("a string reaches beyond the end")
        strings.append(octets[position + 1 : end])
        position = end
    if not strings:
        raise NotRead("expected at least one string")
    return tuple(strings)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
