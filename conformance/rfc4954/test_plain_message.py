"""AUTH PLAIN: the message with its three fields (RFC 4616 §2)."""

from __future__ import annotations

import pytest

from conformance.requirement import requirement
from conformance.rfc4954.credentials import (
    UNKNOWN_USER,
    encoded,
    hide,
    must_be_unauthenticated,
    need_mechanism,
    plain_message,
)
from conformance.steps import must_answer, must_be_alive, must_refuse, verdict_on_sender
from fixtures.plugin import Connect
from fixtures.target import Target

# {u} and {p} stand for the right user name and password.
BROKEN_MESSAGES = {
    "empty": "",
    "no-nul": "{u}{p}",
    "one-nul": "{u}\0{p}",
    "three-nuls": "\0{u}\0{p}\0",
    "field-before-password": "\0{u}\0x\0{p}",
    "field-behind-password": "\0{u}\0{p}\0x",
    "field-in-front": "x\0\0{u}\0{p}",
    "no-user": "\0\0{p}",
    "no-password": "\0{u}\0",
    "nothing-but-nuls": "\0\0",
    "nul-in-password": "\0{u}\0{p}\0{p}",
}


@requirement("AUTH-10")
@pytest.mark.parametrize("form", list(BROKEN_MESSAGES))
def test_broken_plain_messages_are_refused(form: str, secure: Connect, target: Target) -> None:
    """A PLAIN message that is not two or three fields between two NULs logs nobody in."""
    need_mechanism(target, "PLAIN")
    account = target.account()
    message = BROKEN_MESSAGES[form].format(u=account.username, p=account.password).encode()
    probe = secure()
    hide(probe, account, message)
    must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
    reply = probe.command(encoded(message))
    must_refuse(reply, "this is no PLAIN message", exactly=("501", "535"))
    must_be_unauthenticated(probe, target)


@requirement("AUTH-11")
def test_the_own_name_as_authorization_identity(secure: Connect, target: Target) -> None:
    """An authorization identity equal to the user name changes nothing."""
    need_mechanism(target, "PLAIN")
    account = target.account()
    message = plain_message(account.username, account.password, account.username)
    probe = secure()
    hide(probe, account, message)
    must_answer(probe.command(b"AUTH PLAIN " + encoded(message)), "235", "this is the same user")
    must_answer(probe.mail(account.sender), "250", "the client is authenticated")


@requirement("AUTH-11")
@pytest.mark.parametrize("role", ["second", "neighbour", "nobody"])
def test_acting_for_somebody_else_is_refused(role: str, secure: Connect, target: Target) -> None:
    """With the own password nobody becomes another user, be he known or not."""
    need_mechanism(target, "PLAIN")
    account = target.account()
    other = UNKNOWN_USER if role == "nobody" else target.account(role).username
    message = plain_message(account.username, account.password, other)
    probe = secure()
    hide(probe, account, message)
    reply = probe.command(b"AUTH PLAIN " + encoded(message))
    must_refuse(reply, "nobody may act for another user", exactly="535 5.7.8")
    must_be_unauthenticated(probe, target)
    if role != "nobody":
        foreign = verdict_on_sender(probe, probe.mail(target.account(role).sender), target)
        must_refuse(foreign, "nobody is authenticated", exactly="530 5.7.0")


@requirement("AUTH-12")
@pytest.mark.parametrize("identity", ["", "same"])
def test_fields_of_255_octets_in_two_steps(identity: str, secure: Connect, target: Target) -> None:
    """User name, password and authorization identity may have 255 octets each."""
    need_mechanism(target, "PLAIN")
    account = target.account("long")
    same = account.username if identity else ""
    message = plain_message(account.username, account.password, same)
    probe = secure()
    hide(probe, account, message)
    must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
    must_answer(probe.command(encoded(message)), "235", "the credentials are right")


@requirement("AUTH-12")
def test_fields_of_255_octets_with_the_command(secure: Connect, target: Target) -> None:
    """On the command line such fields are taken, or refused by one clean reply."""
    need_mechanism(target, "PLAIN")
    account = target.account("long")
    message = plain_message(account.username, account.password, account.username)
    probe = secure()
    hide(probe, account, message)
    reply = probe.command(b"AUTH PLAIN " + encoded(message))
    if reply.code != 235:
        must_refuse(reply, "the line is longer than a command may be", exactly="500 5.5.6")
    must_be_alive(probe)


@requirement("AUTH-12")
def test_a_password_of_255_octets_counts_to_its_end(secure: Connect, target: Target) -> None:
    """The last octets of a long password are compared, too."""
    need_mechanism(target, "PLAIN")
    account = target.account("long")
    cut = plain_message(account.username, account.password[:-1])
    probe = secure()
    hide(probe, account, cut)
    must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
    must_refuse(probe.command(encoded(cut)), "the end is missing", exactly="535 5.7.8")
    must_be_unauthenticated(probe, target)


ODD_TEXTS = (
    "' OR '1'='1",
    '"; DROP TABLE users; --',
    "*)(uid=*))(|(uid=*",
    "%s%s%n%x",
    "${HOME}$(id)`id`",
    "\\..\\",
    "{u}:\x01\x7f",
    "ü\u202eß",
)


@requirement("AUTH-22")
@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_odd_characters_are_just_characters(text: str, secure: Connect, target: Target) -> None:
    """No text in a field does anything but fail to match."""
    need_mechanism(target, "PLAIN")
    account = target.account()
    probe = secure()
    probe.secret(account.password)
    for username, password in ((text, text), (account.username, text), (text, account.password)):
        message = plain_message(username, password)
        probe.secret(encoded(message))
        reply = probe.command(b"AUTH PLAIN " + encoded(message))
        must_refuse(reply, "these are nobody's credentials", exactly="535 5.7.8")
    must_be_unauthenticated(probe, target)


@requirement("AUTH-22")
@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize(
    ("before", "behind"),
    [(" ", ""), ("", " "), ("\t", ""), ("", "\t"), ("", "\r\n"), ("", "\n")],
    ids=["blank-before", "blank-behind", "tab-before", "tab-behind", "crlf-behind", "lf-behind"],
)
def test_blanks_belong_to_the_password(
    before: str, behind: str, secure: Connect, target: Target
) -> None:
    """A password with blanks around it is another password."""
    need_mechanism(target, "PLAIN")
    account = target.account()
    message = plain_message(account.username, before + account.password + behind)
    probe = secure()
    hide(probe, account, message)
    reply = probe.command(b"AUTH PLAIN " + encoded(message))
    must_refuse(reply, "the password is another one", exactly=("535 5.7.8", "501"))
    must_be_unauthenticated(probe, target)
