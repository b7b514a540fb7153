"""What any server must reply to a step of a dialogue, and what it then has in mind; pure.

The demands of RFC 5321, RFC 3207, RFC 4954 and RFC 3030 on a submission service. Where they leave
a choice the rule is lenient, and where a reply leaves open what the server has in mind the dialogue
goes on with the reading that accuses nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Step(Enum):
    """One thing a client does; the values are what saved examples say."""

    EHLO = "EHLO"
    HELO = "HELO"
    NOOP = "NOOP"
    RSET = "RSET"
    VRFY = "VRFY"
    UNKNOWN = "an unknown verb"
    STARTTLS = "STARTTLS"
    STARTTLS_ARGUMENT = "STARTTLS with an argument"
    AUTH = "AUTH"
    AUTH_CANCELLED = "AUTH, cancelled"
    MAIL = "MAIL"
    MAIL_PARAMETER = "MAIL with an unknown parameter"
    RCPT = "RCPT"
    RCPT_EMPTY = "RCPT TO:<>"
    DATA = "DATA and content"
    CHUNK = "BDAT"
    LAST_CHUNK = "BDAT LAST"
    QUIT = "QUIT"


@dataclass(frozen=True, slots=True)
class State:
    """What the server must have in mind.

    Attributes:
        hello: "EHLO" or "HELO", the last that counted; "" if none did.
        has_sender: A transaction is open.
        recipients: How many were accepted in it.
        chunks: How many BDAT chunks were.
        offers_chunking: The last EHLO reply said so.
    """

    is_tls: bool = False
    hello: str = ""
    is_authenticated: bool = False
    has_sender: bool = False
    recipients: int = 0
    chunks: int = 0
    offers_chunking: bool = False
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """The reply that has to come.

    Attributes:
        requirement: Who demands it, "" if both acceptance and refusal are right.
        wanted: Forms of replies, as `judgement.answers` reads them.
        because: Why, for the reader of the report.
    """

    requirement: str
    wanted: tuple[str, ...]
    because: str


_EITHER = Due("", ("2yz", "3yz", "5yz"), "the texts leave it open")


def due(step: Step, state: State) -> Due:
    """Return the final reply that a step must get in a state."""
    match step:
        case Step.NOOP:
            return Due("CTL-03", ("250",), "NOOP works everywhere, before STARTTLS too")
        case Step.QUIT:
            return Due("CTL-04", ("221",), "QUIT is answered before the connection is closed")
        case Step.RSET:
            in_clear = () if state.is_tls else ("530",)
            return Due("CTL-01", ("250", *in_clear), "RSET works at every point")
        case Step.EHLO if state.hello:
            return Due("GRT-06", ("250",), "EHLO may come at any time")
        case Step.HELO:
            in_clear = () if state.is_tls else ("530",)
            return Due("GRT-05", ("250", *in_clear), "HELO still works")
        case Step.UNKNOWN:
            return Due("CMD-03", ("5yz",), "there is no such verb")
        case Step.VRFY | Step.EHLO:
            return _EITHER
        case Step.STARTTLS | Step.STARTTLS_ARGUMENT:
            return _due_to_starttls(step, state)
        case Step.AUTH | Step.AUTH_CANCELLED:
            return _due_to_auth(step, state)
        case _:
            return _due_to_mail_command(step, state)


def _due_to_starttls(step: Step, state: State) -> Due:
    if state.is_tls:
        return Due("TLS-03", ("5yz", "454"), "TLS is on already")
    if step is Step.STARTTLS_ARGUMENT:
        return Due("TLS-02", ("5yz",), "STARTTLS takes no argument")
    if state.hello != "EHLO":
        return _EITHER
    return Due("TLS-01", ("220",), "STARTTLS is offered")


def _due_to_auth(step: Step, state: State) -> Due:
    if not state.is_tls:
        return Due("TLS-06", ("5yz",), "no password travels in clear")
    if state.has_sender:
        return Due("AUTH-15", ("5yz",), "AUTH is out of place within a transaction")
    if state.is_authenticated:
        return Due("AUTH-14", ("5yz",), "the client is authenticated already")
    if step is Step.AUTH_CANCELLED:
        return Due("AUTH-07", ("5yz",), "an asterisk cancels the exchange")
    if state.hello != "EHLO":
        return _EITHER
    return Due("AUTH-02", ("235",), "the credentials are right")


def _due_to_mail_command(step: Step, state: State) -> Due:
    if not state.is_tls:
        return Due("TLS-05", ("5yz",), "mail commands are turned away in clear")
    match step:
        case Step.MAIL_PARAMETER:
            return Due("PATH-18", ("5yz",), "the parameter is unknown")
        case Step.RCPT_EMPTY:
            return Due("PATH-16", ("5yz",), "the null path is for senders only")
        case Step.MAIL if state.has_sender:
            return Due("CMD-09", ("5yz",), "a transaction is open")
        case Step.MAIL if not state.hello and not state.is_authenticated:
            return Due("CMD-06", ("5yz",), "TLS reset the session, and no EHLO came since")
        case Step.MAIL if not state.hello or not state.is_authenticated:
            # RFC 5321 §3.3: what is wrong with the sender may be said at RCPT.
            return _EITHER
        case Step.MAIL:
            return Due("CMD-11", ("250",), "each transaction stands alone")
        case _ if not state.is_authenticated:
            return Due("SUB-01", ("5yz",), "nobody submits without a login")
        case Step.RCPT if not state.has_sender:
            return Due("CMD-07", ("5yz",), "no transaction is open")
        case Step.RCPT if state.chunks or not state.hello:
            return _EITHER
        case Step.RCPT:
            return Due("CMD-11", ("2yz",), "the recipient is valid")
        case Step.DATA if state.chunks:
            return Due("CHNK-04", ("5yz",), "the message has begun with BDAT")
        case _ if not state.recipients:
            return Due("CMD-08", ("5yz",), "no recipient was accepted")
        case Step.DATA:
            return Due("CMD-10", ("250",), "nothing before it spoilt the transaction")
        case _:
            return Due("CHNK-01", ("250",), "each chunk has its own 250")


def after(step: Step, state: State, is_positive: bool) -> State:
    """Return what the server has in mind after a reply that was in order.

    Args:
        step: What was done.
        state: What it had in mind before.
        is_positive: Whether the final reply was 2yz.
    """
    closed = replace(state, has_sender=False, recipients=0, chunks=0)
    match step:
        case Step.QUIT:
            return replace(closed, is_over=True)
        case _ if needs_reset(step, state, is_positive):
            return closed
        case Step.LAST_CHUNK | Step.DATA if state.recipients:
            return closed
        case _ if not is_positive:
            return state
        case Step.EHLO | Step.HELO:
            return replace(closed, hello=step.value)
        case Step.RSET:
            return closed
        case Step.STARTTLS:
            return State(is_tls=True)
        case Step.AUTH:
            return replace(state, is_authenticated=True)
        case Step.MAIL:
            return replace(closed, has_sender=True)
        case Step.RCPT:
            return replace(state, recipients=state.recipients + 1)
        case Step.CHUNK:
            return replace(state, chunks=state.chunks + 1)
        case _:
            return state


def needs_reset(step: Step, state: State, is_positive: bool) -> bool:
    """Tell whether a refusal leaves a state that only RSET makes known again (RFC 3030 §2)."""
    is_chunk = step in (Step.CHUNK, Step.LAST_CHUNK)
    return not is_positive and (is_chunk or (step is Step.DATA and state.chunks > 0))


def onward(state: State) -> Step:
    """Return the step that brings a message nearer to its end."""
    if not state.hello:
        return Step.EHLO
    if not state.is_tls:
        return Step.STARTTLS
    if not state.is_authenticated:
        return Step.AUTH
    if not state.has_sender:
        return Step.MAIL
    if not state.recipients:
        return Step.RCPT
    return Step.LAST_CHUNK if state.chunks else Step.DATA


# What brings a dialogue that has just been greeted to the point where it becomes interesting.
OPENINGS = {
    "greeted": (),
    "in clear": (Step.EHLO,),
    "inside TLS": (Step.EHLO, Step.STARTTLS),
    "encrypted": (Step.EHLO, Step.STARTTLS, Step.EHLO),
    "authenticated": (Step.EHLO, Step.STARTTLS, Step.EHLO, Step.AUTH),
    "with a sender": (Step.EHLO, Step.STARTTLS, Step.EHLO, Step.AUTH, Step.MAIL),
    "with a recipient": (Step.EHLO, Step.STARTTLS, Step.EHLO, Step.AUTH, Step.MAIL, Step.RCPT),
}
# For each requirement the dialogue that puts it to the test whatever chance brings: one each, so
# that a server that breaks one rule is still asked about the others.
TOURS: dict[str, tuple[str, tuple[Step, ...]]] = {
    "GRT-05": ("greeted", (Step.HELO,)),
    "GRT-06": ("with a recipient", (Step.EHLO, Step.MAIL)),
    "CTL-01": ("with a recipient", (Step.RSET, Step.MAIL)),
    "CTL-02": ("authenticated", (Step.RSET, Step.MAIL)),
    "CTL-03": ("greeted", (Step.NOOP,)),
    "CTL-04": ("with a recipient", (Step.QUIT,)),
    "CMD-03": ("in clear", (Step.UNKNOWN,)),
    "CMD-06": ("inside TLS", (Step.MAIL,)),
    "CMD-07": ("authenticated", (Step.RCPT,)),
    "CMD-08": ("with a sender", (Step.DATA,)),
    "CMD-09": ("with a recipient", (Step.MAIL, Step.DATA)),
    "CMD-10": ("with a recipient", (Step.STARTTLS, Step.DATA)),
    "CMD-11": ("with a recipient", (Step.DATA, Step.MAIL, Step.RCPT, Step.DATA)),
    "TLS-01": ("in clear", (Step.STARTTLS,)),
    "TLS-02": ("in clear", (Step.STARTTLS_ARGUMENT,)),
    "TLS-03": ("encrypted", (Step.STARTTLS,)),
    "TLS-05": ("in clear", (Step.MAIL,)),
    "TLS-06": ("in clear", (Step.AUTH,)),
    "AUTH-02": ("encrypted", (Step.AUTH,)),
    "AUTH-07": ("encrypted", (Step.AUTH_CANCELLED,)),
    "AUTH-14": ("authenticated", (Step.AUTH,)),
    "AUTH-15": ("with a recipient", (Step.AUTH,)),
    "SUB-01": ("encrypted", (Step.RCPT,)),
    "PATH-16": ("with a sender", (Step.RCPT_EMPTY,)),
    "PATH-18": ("authenticated", (Step.MAIL_PARAMETER,)),
    "CHNK-01": ("with a recipient", (Step.CHUNK, Step.LAST_CHUNK)),
    "CHNK-04": ("with a recipient", (Step.CHUNK, Step.DATA)),
}
OF_CHUNKING = ("CHNK-01", "CHNK-04")


def tour(requirement: str) -> tuple[Step, ...]:
    """Return the steps of a tour, its opening included."""
    opening, steps = TOURS[requirement]
    return (*OPENINGS[opening], *steps)
