"""The mailbox grammar, against the stdlib's."""

from __future__ import annotations

from email.headerregistry import AddressHeader, HeaderRegistry
from email.utils import getaddresses

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.policy.header_address import mailboxes


def test_a_list_gives_every_mailbox_in_order() -> None:
    """All mailboxes count, so all are returned, as they were sent."""
    assert mailboxes(b'"A" <a@Example.com>, b@[192.0.2.1] (c), =?x?q?y?= <"q.s"@x.y>') == (
        Mailbox("a", "Example.com"),
        Mailbox("b", "[192.0.2.1]"),
        Mailbox('"q.s"', "x.y"),
    )


def test_a_long_list_is_read_as_well() -> None:
    """Values too long to be remembered are parsed all the same, in linear time."""
    found = mailboxes(b", ".join(b"n%d <a%d@example.com>" % (n, n) for n in range(2000)))
    assert found is not None
    assert len(found) == 2000
    assert mailboxes(b"(" * 50_000) is None
    assert mailboxes(b"a " * 50_000) is None
    assert mailboxes(b'"' + b"\\a" * 50_000) is None


# Not "J.<a@b>": a dot at the end of a display name makes the stdlib's parser itself raise.
_WORDS = (
    "a@example.com|<a@example.com>|<b@evil.example>|x@evil.example|Name|J.P|"
    '"q"|"c@d.example"|(note)|(e@f.example)|,| |@|:|;|<|>|=?utf-8?q?g?='
)


@settings(derandomize=True, max_examples=1500)
@given(st.lists(st.sampled_from(_WORDS.split("|")), min_size=1, max_size=7).map("".join))
def test_the_stdlib_finds_the_same_addresses(value: str) -> None:
    """SND-07: whenever a list is accepted here, another parser finds the same addresses in it."""
    found = mailboxes(value.strip(" ").encode())
    if found is None:
        return
    header = HeaderRegistry()("From", value)
    assert isinstance(header, AddressHeader)
    assert [address.addr_spec for address in header.addresses] == [str(item) for item in found]
    assert [address for _, address in getaddresses([value])] == [str(item) for item in found]
