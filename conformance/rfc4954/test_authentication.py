"""AUTH: mechanisms, prompts, failures and the session around them (RFC 4954 §3, §4)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, must_reply, not_claimed, remark_unless
from conformance.requirement import requirement
from conformance.rfc4954.credentials import (
    encoded,
    hide,
    must_be_unauthenticated,
    need_mechanism,
    plain_message,
    with_wrong_password,
)
from conformance.steps import (
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
    verdict_on_sender,
)
from fixtures.plugin import Connect, LogIn
from fixtures.probe import ConnectionLost, Reply, SMTPProbe
from fixtures.target import Account, Target

USERNAME_PROMPT = b"334 VXNlcm5hbWU6\r\n"
PASSWORD_PROMPT = b"334 UGFzc3dvcmQ6\r\n"

each_mechanism = pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])


def log_in(probe: SMTPProbe, mechanism: str, account: Account) -> Reply:
    """Authenticate with this mechanism; return the final reply."""
    return probe.auth_plain(account) if mechanism == "PLAIN" else probe.auth_login(account)


@requirement("AUTH-01")
def test_the_mechanisms_are_those_of_the_profile(secure: Connect, target: Target) -> None:
    """Inside TLS the AUTH keyword lists exactly the mechanisms of the service."""
    hello = must_answer(secure().ehlo(), "250", "EHLO may be repeated")
    offered = hello.keywords.get("AUTH", ())
    wanted = set(target.claims("auth_mechanisms") or ("PLAIN", "LOGIN"))
    must(
        set(offered) == wanted and len(offered) == len(wanted),
        expected=f"AUTH with {' and '.join(sorted(wanted))}, and no other mechanism",
        observed=hello.raw,
    )


@requirement("AUTH-02")
def test_plain_with_initial_response(secure: Connect, target: Target) -> None:
    """PLAIN with the response on the command line authenticates."""
    need_mechanism(target, "PLAIN")
    reply = secure().auth_plain(target.account(), initial_response=True)
    must_answer(reply, "235", "the credentials are right")
    remark_unless(reply, "235 2.7.0", "authentication succeeded")


@requirement("AUTH-02")
def test_plain_in_two_steps(secure: Connect, target: Target) -> None:
    """PLAIN without a response is asked for one by `334 ` and then authenticates."""
    need_mechanism(target, "PLAIN")
    account = target.account()
    probe = secure()
    challenge = must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
    must(challenge.raw == b"334 \r\n", "334, one blank and nothing more", challenge.raw)
    response = plain_message(account.username, account.password)
    hide(probe, account, response)
    must_answer(probe.command(encoded(response)), "235", "the credentials are right")


@requirement("AUTH-03")
@pytest.mark.parametrize("command", ["auth login", "AUTH LOGIN"])
def test_login_prompts_are_those_of_the_documentation(
    command: str, secure: Connect, target: Target
) -> None:
    """LOGIN prompts with `Username:` and `Password:` octet for octet, then says 235."""
    need_mechanism(target, "LOGIN")
    if "login_username" not in (target.claims("replies") or {}):
        not_claimed("the profile names no prompts of LOGIN")
    account = target.account()
    probe = secure()
    hide(probe, account)
    prompt = probe.command(command)
    must(prompt.raw == USERNAME_PROMPT, "334 VXNlcm5hbWU6", prompt.raw)
    prompt = probe.command(encoded(account.username))
    must(prompt.raw == PASSWORD_PROMPT, "334 UGFzc3dvcmQ6", prompt.raw)
    reply = must_answer(probe.command(encoded(account.password)), "235", "the password is right")
    remark_unless(reply, "235 2.7.0", "authentication succeeded")


@requirement("AUTH-04")
def test_login_takes_the_user_name_with_the_command(secure: Connect, target: Target) -> None:
    """A user name on the line of AUTH LOGIN counts as the answer to the first prompt."""
    need_mechanism(target, "LOGIN")
    account = target.account()
    probe = secure()
    hide(probe, account)
    prompt = probe.command(b"AUTH LOGIN " + encoded(account.username))
    if target.claims("login_initial_response") is False:
        must_refuse(prompt, "the profile takes no user name with the command", exactly="501")
        must_be_unauthenticated(probe, target)
        return
    if "login_password" in (target.claims("replies") or {}):
        must(prompt.raw == PASSWORD_PROMPT, "the password prompt at once", prompt.raw)
    must_answer(prompt, "334", "the password prompt at once")
    must_answer(probe.command(encoded(account.password)), "235", "the password is right")


@requirement("AUTH-05")
@pytest.mark.parametrize("mechanism", ["GSSAPI", "FOO", "PLAINX", "PLAI", "LOGINX"])
def test_unknown_mechanisms_are_refused(mechanism: str, secure: Connect, target: Target) -> None:
    """An unknown mechanism is 504, with or without a response that would fit another one."""
    account = target.account()
    response = plain_message(account.username, account.password)
    probe = secure()
    hide(probe, account, response)
    for line in (
        f"AUTH {mechanism}".encode(),
        b"AUTH %s %s" % (mechanism.encode(), encoded(response)),
    ):
        must_refuse(probe.command(line), f"there is no {mechanism}", exactly="504 5.5.4")
    must_be_unauthenticated(probe, target)


@requirement("AUTH-05")
def test_auth_needs_a_mechanism(secure: Connect, target: Target) -> None:
    """AUTH without a mechanism is 501."""
    probe = secure()
    must_refuse(probe.command("AUTH"), "the mechanism is missing", exactly="501 5.5.4")
    must_be_unauthenticated(probe, target)


@requirement("AUTH-06")
@pytest.mark.parametrize("second", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("first", ["PLAIN", "LOGIN"])
def test_wrong_credentials_may_be_corrected(
    first: str, second: str, secure: Connect, target: Target
) -> None:
    """After a 535 the session lives and the right credentials work, by either mechanism."""
    need_mechanism(target, first)
    need_mechanism(target, second)
    account = target.account()
    probe = secure()
    reply = log_in(probe, first, with_wrong_password(account))
    must_refuse(reply, "the password is wrong", exactly="535 5.7.8")
    try:
        must_answer(probe.command("NOOP"), "250", "the session goes on")
        must_answer(log_in(probe, second, account), "235", "the credentials are right")
    except ConnectionLost as lost:
        must(False, expected="a session that lives on after a 535", observed=lost)
    must_answer(probe.mail(account.sender), "250", "the client is authenticated")


@requirement("AUTH-07")
@pytest.mark.parametrize("step", ["plain", "login-username", "login-password"])
def test_an_asterisk_cancels(step: str, secure: Connect, target: Target) -> None:
    """`*` ends the exchange with 501 at each step, and nobody is logged in."""
    need_mechanism(target, "PLAIN" if step == "plain" else "LOGIN")
    probe = secure()
    challenge = probe.command("AUTH PLAIN" if step == "plain" else "AUTH LOGIN")
    if step == "login-password":
        must_answer(challenge, "334", "the user name is asked for")
        challenge = probe.command(encoded(target.account().username))
    must_answer(challenge, "334", "a response is asked for")
    # RFC 4954 §4 names this code: 535 would make a client throw its password away.
    must_answer(probe.command("*"), "501", "the client cancels")
    must_be_unauthenticated(probe, target)


def bad_base64(kind: str, target: Target) -> bytes:
    """Return a response that only a lenient decoder takes for the right credentials."""
    account = target.account()
    good = plain_message(account.username, account.password)
    padded = next(
        (
            encoded(each)
            for each in (good, plain_message(account.username, account.password, account.username))
            if len(each) % 3
        ),
        encoded(good),
    )
    return {
        "exclamation-marks": b"!!!",
        "padding-first": b"=AAA",
        "padding-inside": b"AAA=BBB",
        "unpadded": padded.rstrip(b"=") if padded.endswith(b"=") else padded[:-1],
        "more-padding": padded.rstrip(b"=") + b"====",
        "blank-inside": encoded(good)[:8] + b" " + encoded(good)[8:],
        "junk-inside": encoded(good)[:8] + b"!" + encoded(good)[8:],
        "junk-behind": encoded(good) + b"!!!!",
        "url-alphabet": encoded(good)[:8] + b"-_" + encoded(good)[8:],
        "utf-16": encoded(good).decode().encode("utf-16-le"),
    }[kind]


@requirement("AUTH-08")
@pytest.mark.parametrize("form", ["with-command", "as-response"])
@pytest.mark.parametrize(
    "kind",
    [
        "exclamation-marks",
        "padding-first",
        "padding-inside",
        "unpadded",
        "more-padding",
        "blank-inside",
        "junk-inside",
        "junk-behind",
        "url-alphabet",
        "utf-16",
    ],
)
def test_bad_base64_is_refused(kind: str, form: str, secure: Connect, target: Target) -> None:
    """What is no base64 is refused, also where a lenient decoder finds the right credentials."""
    need_mechanism(target, "PLAIN")
    account = target.account()
    response = bad_base64(kind, target)
    probe = secure()
    hide(probe, account, plain_message(account.username, account.password))
    probe.secret(response)
    if form == "with-command":
        # Of UTF-16 and a blank RFC 5321 thinks as little as RFC 4954 does.
        reply = probe.command(b"AUTH PLAIN " + response)
    else:
        must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
        reply = probe.command(response)
    must_refuse(reply, "this is no base64", exactly=("501 5.5.2", "501 5.5.4", "500"))
    must_be_unauthenticated(probe, target)


@requirement("AUTH-08")
@pytest.mark.parametrize("step", ["username", "password"])
def test_bad_base64_in_login_is_refused(step: str, secure: Connect, target: Target) -> None:
    """Neither answer to the prompts of LOGIN may be anything but base64."""
    need_mechanism(target, "LOGIN")
    account = target.account()
    probe = secure()
    hide(probe, account)
    junk = b"!!!" + encoded(account.password)
    probe.secret(junk)
    must_answer(probe.command("AUTH LOGIN"), "334", "the user name is asked for")
    if step == "password":
        must_answer(probe.command(encoded(account.username)), "334", "the password is asked for")
    must_refuse(probe.command(junk), "this is no base64", exactly="501 5.5.2")
    must_be_unauthenticated(probe, target)


@requirement("AUTH-09")
@each_mechanism
def test_an_equals_sign_is_an_empty_response(
    mechanism: str, secure: Connect, target: Target
) -> None:
    """`=` is a response, an empty one: it is not asked for again, and it logs nobody in."""
    need_mechanism(target, mechanism)
    probe = secure()
    reply = probe.command(f"AUTH {mechanism} =")
    if mechanism == "LOGIN" and reply.code == 334:
        must(reply.raw == PASSWORD_PROMPT, "a refusal, or the password prompt", reply.raw)
        reply = probe.command(encoded("whatever"))
    must_refuse(reply, "an empty response names nobody", exactly=("501", "535"))
    must_be_unauthenticated(probe, target)


@requirement("AUTH-14")
@pytest.mark.parametrize("role", ["neighbour", "primary"])
def test_a_second_auth_is_refused(role: str, session: LogIn, target: Target) -> None:
    """After success AUTH is 503, and the identity stays what it was."""
    other = target.account(role)
    probe = session()
    reply = probe.auth_plain(other, initial_response=True)
    must_refuse(reply, "the client is authenticated already", exactly="503 5.5.1")
    if role != "primary":
        foreign = verdict_on_sender(probe, probe.mail(other.sender), target)
        must_refuse(foreign, "the identity is the first one", exactly="550 5.7.1")
        must_answer(probe.command("RSET"), "250", "RSET ends what is left")
    must_answer(probe.mail(sender_of(target)), "250", "the identity is the first one")


@requirement("AUTH-15")
def test_auth_in_a_transaction_is_refused(session: LogIn, target: Target) -> None:
    """AUTH inside a transaction is 503, and the transaction goes on."""
    probe = session()
    open_transaction(probe, sender_of(target), [])
    reply = probe.command("AUTH PLAIN")
    must_refuse(reply, "a transaction is open", exactly="503 5.5.1")
    must_answer(probe.rcpt(target.recipient()), "250", "the transaction goes on")


@requirement("AUTH-15")
def test_auth_before_ehlo_is_never_503(clear: Connect, target: Target) -> None:
    """AUTH straight after TLS is not answered 503, which clients take for being logged in."""
    if target.claims("auth_before_ehlo") == "refused":
        not_claimed("the profile takes no AUTH before EHLO")
    probe = clear()
    must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(probe.starttls(), "220", "STARTTLS is offered")
    reply = probe.auth_plain(target.account(), initial_response=True)
    must(reply.code != 503, "any reply but 503: clients read it as success", reply.raw)
    if target.claims("auth_before_ehlo") == "accepted":
        must_answer(reply, "235", "the profile takes AUTH without EHLO")
    else:
        must_reply(reply, ("235", "5yz"), because="accepted or refused")
