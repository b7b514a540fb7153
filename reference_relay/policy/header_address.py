"""The mailboxes of From, Sender and their Resent- kin (RFC 5322 §3.4, RFC 6532 §3.2).

One reading only: what RFC 5322 forbids or calls obsolete, groups included, is no address list.
Where the grammar allows a spelling that readers are known to misread, it is refused as well.
"""

from __future__ import annotations

import re

from reference_relay.mail.address import Mailbox

# ctext and quoted-pair; octets above 0x7F are UTF-8, checked as a whole (RFC 6532 §3.1).
_PAIR = rb"\\[\t -~\x80-\xff]"
_CTEXT = rb"[^()\\\x00-\x08\x0a-\x1f\x7f]++"


def _comment(inner: bytes) -> bytes:
    return rb"\((?:" + _CTEXT + rb"|" + _PAIR + inner + rb")*+\)"


# comment = "(" *([FWS] ccontent) [FWS] ")"; comments inside comments two deep, no deeper.
_COMMENT = _comment(rb"|" + _comment(rb"|" + _comment(rb"")))
# CFWS, after unfolding
_CFWS = rb"(?:[ \t]++|" + _COMMENT + rb")*+"
_ATEXT = rb"A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-"
_QUOTED_STRING = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]++|' + _PAIR + rb')*+"'
# phrase = 1*word, and the dots of obs-phrase: `John Q. Public` is too common to be refused.
_PHRASE = rb"(?:(?:[." + _ATEXT + rb"]++|" + _QUOTED_STRING + rb")" + _CFWS + rb")++"
# dot-atom-text = 1*atext *("." 1*atext)
_DOT_ATOM = rb"[" + _ATEXT + rb"]++(?:\.[" + _ATEXT + rb"]++)*+"
# domain of RFC 5321 §2.3.5 (underscores tolerated, judged by comparison), or domain-literal
_DOMAIN = (
    rb"(?:[A-Za-z0-9_\x80-\xff-]++(?:\.[A-Za-z0-9_\x80-\xff-]++)*+"
    rb"|\[[^\[\]\\\x00-\x20\x7f]*+\])"
)
# addr-spec = local-part "@" domain; no CFWS around "@", the obsolete form readers differ on
_ADDRESS = rb"(" + _DOT_ATOM + rb"|" + _QUOTED_STRING + rb")@(" + _DOMAIN + rb")"
# mailbox = name-addr / addr-spec; angle-addr without a route (§4.4)
_MAILBOX = re.compile(
    _CFWS
    + rb"(?:(?:"
    + _PHRASE
    + rb")?+<[ \t]*+"
    + _ADDRESS
    + rb"[ \t]*+>|"
    + _ADDRESS
    + rb")"
    # A bare address may not run into a word that a lenient reader takes for part of it.
    + _CFWS
)
# Inside a quoted local part these make some readers find another address (SND-07).
_MISLEADING = re.compile(rb"[\s@<>,;:\\()\[\]]")


def mailboxes(value: bytes) -> tuple[Mailbox, ...] | None:
    """Return the mailboxes of an unfolded mailbox-list, or None when it is none."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    found: list[Mailbox] = []
    position, length = 0, len(value)
    while True:
        match = _MAILBOX.match(value, position)
        if match is None:
            return None
        local_part, domain = match[1] or match[3], match[2] or match[4]
        if _is_misleading(local_part):
            return None
        found.append(Mailbox(local_part.decode("utf-8"), domain.decode("utf-8")))
        position = match.end()
        if position == length:
            return tuple(found)
        if value[position] != ord(","):
            return None
        position += 1


def _is_misleading(local_part: bytes) -> bool:
    if local_part.startswith(b'"'):
        return local_part == b'""' or bool(_MISLEADING.search(local_part))
    # RFC 2047 §5: no encoded-word inside an addr-spec; some readers decode it nevertheless.
    return b"=?" in local_part
