"""Octet sequences that resemble an end of data and are none (RFC 5321 §4.1.1.4, §2.3.8).

The list is the matrix of the smuggling advisories (CVE-2023-51764, -51765, -51766,
CVE-2024-27305) and of the catalogue's row DATA-06.
"""

from __future__ import annotations

from typing import Final

MALFORMED_ENDS: Final = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "LF.CR": b"\n.\r",
    "CR.LF": b"\r.\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
    "CRLF-NUL.CRLF": b"\r\n\0.\r\n",
    "CRLF.NUL-CRLF": b"\r\n.\0\r\n",
    "CRLF.SP-CRLF": b"\r\n. \r\n",
    "CRLF..CRLF": b"\r\n..\r\n",
}


def without_crlf(octets: bytes) -> bytes:
    """Drop every CRLF; a CR or LF that is left was bare."""
    return octets.replace(b"\r\n", b"")


def has_bare_cr_or_lf(octets: bytes) -> bool:
    """Tell whether a CR or LF stands alone in these octets."""
    left = without_crlf(octets)
    return b"\r" in left or b"\n" in left
