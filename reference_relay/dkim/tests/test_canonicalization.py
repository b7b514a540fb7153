"""Canonical forms, against RFC 6376's own example and against dkimpy."""

from __future__ import annotations

import dkim.canonicalization
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reference_relay.dkim.canonicalization import relaxed_body, relaxed_field

# Lines of words and blanks, as bodies of mail are, with every kind of end.
_piece = st.sampled_from([b"a", b".", b" ", b"  ", b"\t", b" \t", b"\r\n", b"\r\n\r\n", b"\xe4"])
bodies = st.lists(_piece, max_size=30).map(b"".join)


def test_rfc_example() -> None:
    """The example of RFC 6376 §3.4.5 comes out as printed there."""
    assert relaxed_field(b"A: X\r\n") == b"a:X\r\n"
    assert relaxed_field(b"B : Y\t\r\n\tZ  \r\n") == b"b:Y Z\r\n"
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


@given(bodies)
@example(b"")
@example(b"\r\n")
@example(b" \r\n\t\r\n")
@example(b"no end")
@example(b"blank end ")
def test_body_as_dkimpy(body: bytes) -> None:
    """Our relaxed body is dkimpy's relaxed body of what is transmitted."""
    transmitted = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(transmitted)


@given(bodies)
def test_body_is_stable(body: bytes) -> None:
    """A canonical body is its own canonical form, and the fast path returns it uncopied."""
    canonical = relaxed_body(body)
    assert relaxed_body(canonical) is canonical


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b"\r\n\t", b":", b"\xc3\xa4"])))
def test_field_as_dkimpy(pieces: list[bytes]) -> None:
    """Our relaxed field is dkimpy's relaxed field."""
    value = b"x" + b"".join(pieces) + b"\r\n"
    [(name, theirs)] = dkim.canonicalization.Relaxed.canonicalize_headers([(b"SubJect", value)])
    assert relaxed_field(b"SubJect:" + value) == name + b":" + theirs


@pytest.mark.parametrize("body", [b"a b\r\n", b"a\r\nb\r\n", b" a\r\n\r\nb\r\n"])
def test_canonical_body_is_not_copied(body: bytes) -> None:
    """A body that is canonical already is returned as it is."""
    assert relaxed_body(body) is body
