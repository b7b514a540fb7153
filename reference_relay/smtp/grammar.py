"""The grammar of RFC 5321 §4.1.2 and §4.1.3 as patterns, the ABNF above each.

Text is matched, never repaired: what the grammar does not produce is `None`.
Non-ASCII characters stand where RFC 6531 §3.3 puts UTF8-non-ascii; whether a transaction may
use them is the session's question.
"""

from __future__ import annotations

import ipaddress
import re

from reference_relay.mail.address import Mailbox, domain_key

# atext     = ALPHA / DIGIT / "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "/" / "=" /
#             "?" / "^" / "_" / "`" / "{" / "|" / "}" / "~"            ; RFC 5322 §3.2.3
ATEXT = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]"
# Dot-string     = Atom *("." Atom)
DOT_STRING = rf"{ATEXT}+(?:\.{ATEXT}+)*"
# Quoted-string  = DQUOTE *QcontentSMTP DQUOTE ; QcontentSMTP is qtextSMTP or quoted-pairSMTP
# qtextSMTP      = %d32-33 / %d35-91 / %d93-126 ; quoted-pairSMTP = %d92 %d32-126
QUOTED_STRING = r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"'
# sub-domain     = Let-dig [Ldh-str] ; Ldh-str = *( ALPHA / DIGIT / "-" ) Let-dig
LET_DIG = r"A-Za-z0-9\u0080-\U0010ffff"
SUB_DOMAIN = rf"[{LET_DIG}](?:[{LET_DIG}\-]*[{LET_DIG}])?"
# Domain         = sub-domain *("." sub-domain)
DOMAIN = rf"{SUB_DOMAIN}(?:\.{SUB_DOMAIN})*"
# address-literal = "[" ( IPv4-address-literal / IPv6-address-literal /
#                         General-address-literal ) "]"
ADDRESS_LITERAL = r"\[[!-Z^-~]+\]"
# Mailbox        = Local-part "@" ( Domain / address-literal )
MAILBOX = rf"(?P<local>{DOT_STRING}|{QUOTED_STRING})@(?P<domain>{DOMAIN}|{ADDRESS_LITERAL})"
# A-d-l          = At-domain *( "," At-domain ) ; At-domain = "@" Domain
SOURCE_ROUTE = rf"@{DOMAIN}(?:,@{DOMAIN})*:"
# Path           = "<" [ A-d-l ":" ] Mailbox ">"
_PATH = re.compile(rf"<(?:{SOURCE_ROUTE})?{MAILBOX}>")
# Departs from the grammar: D-5, requirement PATH-08; the seed types `mail from: a@b`.
_BARE_MAILBOX = re.compile(MAILBOX)
# Reverse-path   = Path / "<>"
NULL_PATH = "<>"
# RFC 5321 §4.1.1.3: "<Postmaster>" without a domain, in any case.
_POSTMASTER = re.compile(r"<(postmaster)>", re.IGNORECASE)
# esmtp-param    = esmtp-keyword ["=" esmtp-value]
# esmtp-keyword  = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
# esmtp-value    = 1*(%d33-60 / %d62-126)              ; widened by RFC 6531 §3.3 to UTF8-non-ascii
_PARAMETER = re.compile(
    r"(?P<keyword>[A-Za-z0-9][A-Za-z0-9\-]*)(?:=(?P<value>[!-<>-~\u0080-\U0010ffff]+))?"
)
# xtext = *( xchar / hexchar ) ; xchar = %d33-42 / %d44-60 / %d62-126 ; hexchar = "+" 2(upper HEX)
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
# Snum = 1*3DIGIT ; IPv4-address-literal = Snum 3("." Snum)
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
# What EHLO may carry; underscores are common in the names of real desktops (GRT-10).
_HELLO_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,253}[A-Za-z0-9_])?")

# RFC 5321 §4.5.3.1.1 to .3, and RFC 1035 §2.3.4 for the label.
MAXIMUM_LOCAL_PART = 64
MAXIMUM_DOMAIN = 255
MAXIMUM_PATH = 256
MAXIMUM_LABEL = 63


def match_path(text: str, *, is_strict: bool) -> tuple[Mailbox, str] | None:
    """Match a path at the start of the text.

    Returns:
        The final mailbox (a source route is read and forgotten, RFC 5321 App. C) and the
        text behind the path, or None when the text starts with no path.
    """
    found = _PATH.match(text)
    if found is None:
        if postmaster := _POSTMASTER.match(text):
            return Mailbox(postmaster[1], ""), text[postmaster.end() :]
        if not is_strict and not text.startswith("<"):
            found = _BARE_MAILBOX.match(text)
        if found is None:
            return None
    mailbox = Mailbox(*found.groups())
    # Most commands are shorter in all than the shortest limit.
    is_ordinary = len(text) <= MAXIMUM_LABEL and text.isascii() and "[" not in text
    if not is_ordinary and not _is_of_legal_size(mailbox):
        return None
    return mailbox, text[found.end() :]


def parameters(text: str) -> dict[str, str | None] | None:
    """Read `*(SP esmtp-param)`; None when malformed or a keyword is repeated."""
    found: dict[str, str | None] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None or (keyword := match["keyword"].upper()) in found:
            return None
        found[keyword] = match["value"]
    return found


def is_xtext(text: str) -> bool:
    """Tell whether the text is xtext (RFC 3461 §4)."""
    return _XTEXT.fullmatch(text) is not None


def is_hello_name(text: str) -> bool:
    """Tell whether EHLO may carry this: a domain, tolerantly, or an address literal."""
    if text.startswith("["):
        return text.endswith("]") and is_address_literal(text)
    return _HELLO_NAME.fullmatch(text) is not None


def is_address_literal(text: str) -> bool:
    """Tell whether `[...]` holds an IPv4 or tagged IPv6 address (RFC 5321 §4.1.3)."""
    inner = text[1:-1]
    try:
        if inner[:5].upper() == "IPV6:":
            ipaddress.IPv6Address(inner[5:])
            return "%" not in inner  # a scope means nothing to the other side
        if _IPV4.fullmatch(inner):
            ipaddress.IPv4Address(inner)
            return True
    except ValueError:
        return False
    return False


def _is_of_legal_size(mailbox: Mailbox) -> bool:
    local_part, domain = mailbox.local_part, mailbox.domain
    if domain.startswith("["):
        return is_address_literal(domain)
    try:
        octets = domain if domain.isascii() else domain_key(domain)
    except ValueError:
        return False
    length = len(local_part.encode())
    return (
        length <= MAXIMUM_LOCAL_PART
        and len(octets) <= MAXIMUM_DOMAIN
        and length + 1 + len(octets) <= MAXIMUM_PATH - 2
        and all(len(label) <= MAXIMUM_LABEL for label in octets.split("."))
    )
