"""USR: users of a configuration, from their making to their end."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from conformance.judgement import must, remark
from conformance.requirement import requirement, takes_seconds
from conformance.service.sender_domain import VERIFIED, SenderDomain, asking, reply_to_sender
from conformance.service.tenancy import Tenancy, must_not_go_on
from conformance.steps import must_answer, must_refuse
from fixtures.plugin import Connect, NothingArrived
from fixtures.target import Target

USERS = 5
ANSWERS: dict[str, Any] = {
    "kind": "transactional",
    "website": "https://example.com/",
    "use": {
        "list_acquisition": "sign-up",
        "bounces_and_complaints": "read daily",
        "unsubscribing": "a link",
        "rate": "measured",
        "list_cleaning": "monthly",
    },
    "contacts": [f"contact{number}@example.com" for number in range(4)],
    "reply_to": "reply@example.com",
    "consent": True,
    "unsubscribe_link": True,
    "well_formed_html": "checked by a parser",
}


@pytest.fixture
def open_door(tenancy: Tenancy) -> str:
    """An address from which the instance may be used."""
    tenancy.rule((tenancy.zone(tenancy.source(0)), None))
    return tenancy.source(0)


@pytest.fixture
def fresh(tenancy: Tenancy) -> dict[str, Any]:
    """A configuration with nothing verified."""
    return dict(tenancy.configuration(f"{uuid.uuid4().hex[:12]}.example"))


@requirement("USR-01")
def test_five_users_and_not_six(tenancy: Tenancy, fresh: dict[str, Any]) -> None:
    """The sixth is refused with a reason, a deletion makes room for one, others have their own."""
    ids = [tenancy.user(fresh["id"])[1] for _ in range(USERS)]
    sixth = tenancy.try_user(fresh["id"])
    must(not sixth.is_accepted, expected="a sixth user to be refused", observed=sixth.shown)
    must(sixth.body.get("errors"), expected="a reason", observed=sixth.shown)
    tenancy.drop_user(ids[2], fresh["id"])
    tenancy.user(fresh["id"])
    seventh = tenancy.try_user(fresh["id"])
    must(not seventh.is_accepted, expected="one place for one deletion", observed=seventh.shown)
    # The limit is the configuration's, not the instance's.
    tenancy.user()


@requirement("USR-02")
@takes_seconds(4)
def test_the_limit_holds_in_a_crowd(tenancy: Tenancy, fresh: dict[str, Any]) -> None:
    """Of twenty creations at once, at four users, one succeeds."""
    for _ in range(USERS - 1):
        tenancy.user(fresh["id"])
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: tenancy.try_user(fresh["id"]), range(20)))
    made = sum(one.is_accepted for one in answers)
    must(made == 1, expected="one of twenty to succeed", observed=made)
    count = len(tenancy.users(fresh["id"]))
    must(count == USERS, expected=f"{USERS} users", observed=count)


@requirement("USR-03")
def test_names_and_passwords_are_each_others_only(tenancy: Tenancy, fresh: dict[str, Any]) -> None:
    """No two users have the same name or password, in whatever configuration."""
    users = [tenancy.user(id)[0] for id in (fresh["id"], "") for _ in range(USERS)]
    for kind in ("username", "password"):
        values = {getattr(one, kind) for one in users}
        must(len(values) == len(users), expected=f"a {kind} for each", observed=len(values))


@requirement("USR-03")
def test_a_name_is_good_for_one_configuration(
    tenancy: Tenancy, open_door: str, fresh: dict[str, Any]
) -> None:
    """In another spelling it is nobody's, and its user sends for no other domain."""
    account, _ = tenancy.user()
    shouted = replace(account, username=account.username.upper())
    must_refuse(tenancy.secure(open_door).auth_plain(shouted), "that is another name", "535 5.7.8")
    probe = tenancy.sign_in(account, open_door)
    foreign = probe.mail(f"mailer@{fresh['domain']}")
    must_refuse(foreign, "that is another configuration's domain", "550 5.7.1")


@requirement("USR-04")
def test_a_password_is_shown_once(tenancy: Tenancy, target: Target, fresh: dict[str, Any]) -> None:
    """After the creation neither the user nor the list tells it, nor does the log."""
    account, id = tenancy.user(fresh["id"])
    read = tenancy.do("get_smtp_user", **tenancy.own(fresh["id"]), user_id=id).body
    for found in (read, *tenancy.users(fresh["id"])):
        must("password" not in found, expected="no password", observed=sorted(found))
        must(account.password not in str(found), expected="the password nowhere")
        must("$argon2" not in str(found), expected="no hash either")
    if target.relay is not None:
        log = target.relay.stderr_file.read_text("utf-8", "replace")
        must(account.password not in log, expected="no password in the log")


@requirement("USR-05")
def test_the_whole_password_matters(connect: Connect, target: Target, secure: Connect) -> None:
    """Of a password of 255 octets neither its end nor its middle can be changed or left away."""
    account = target.account("long")
    octets = account.password.encode()
    must(len(octets) > 72, expected="a password longer than what bcrypt looks at")
    wrong = {
        "another last letter": account.password[:-1] + "x",
        "another letter behind 72": account.password[:80] + "~" + account.password[81:],
        "a letter more": account.password + "x",
        "its first 72": account.password[:72],
    }
    for what, password in wrong.items():
        reply = secure().auth_plain(replace(account, password=password))
        must_refuse(reply, f"{what}: that is another password", "535 5.7.8")
    must_answer(secure().auth_plain(account), "235", "that is the password")


@requirement("USR-06")
def test_a_deleted_user_is_out_at_once(tenancy: Tenancy, open_door: str) -> None:
    """The next AUTH is refused, also where it just succeeded."""
    account, id = tenancy.user()
    tenancy.sign_in(account, open_door)
    tenancy.drop_user(id)
    reply = tenancy.secure(open_door).auth_plain(account)
    must_refuse(reply, "the user was deleted", "535 5.7.8")


@requirement("USR-06")
def test_a_deleted_user_cannot_go_on(
    tenancy: Tenancy, open_door: str, nothing_arrived: NothingArrived, token: str
) -> None:
    """An open session cannot send its next message."""
    account, id = tenancy.user()
    probe = tenancy.sign_in(account, open_door)
    must_answer(probe.mail(account.sender), "250", "everything is as it should be")
    must_answer(probe.command("RSET"), "250", "RFC 5321 §4.1.1.5")
    tenancy.drop_user(id)
    must_not_go_on(probe, account.sender, "the user was deleted")
    nothing_arrived(token)


@requirement("USR-07")
def test_nothing_verified_nothing_sent(
    tenancy: Tenancy, open_door: str, fresh: dict[str, Any], target: Target
) -> None:
    """A configuration without any verification is refused at AUTH or MAIL."""
    account, _ = tenancy.user(fresh["id"])
    reply = tenancy.secure(open_door)
    answer = reply.auth_plain(account)
    if answer.is_positive:
        answer = reply.mail(account.sender)
    must_refuse(answer, "nothing of the configuration is verified", ("550 5.7.1", "535 5.7.8"))


@requirement("USR-07")
def test_without_the_approval_nothing_is_sent(secure: Connect, target: Target) -> None:
    """SPF and DKIM alone are not enough: a person has to approve."""
    account = target.account("pending")
    probe = secure()
    answer = probe.auth_plain(account)
    if answer.is_positive:
        answer = probe.mail(account.sender)
    must_refuse(answer, "the approval is pending", ("550 5.7.1", "535 5.7.8"))


@requirement("USR-07")
@takes_seconds(3)
def test_only_all_three_together_send(new_domain: Callable[..., SenderDomain]) -> None:
    """Of the eight combinations of SPF, DKIM and approval one sends; refusals name what is not."""
    own = new_domain()
    with asking():
        account = own.user(own.control.add_user(own.registration))
    for is_approved in (False, True):
        if is_approved:
            with asking():
                own.control.approve(own.registration)
        for spf, dkim in product((False, True), repeat=2):
            published = {"spf": spf, "dkim": dkim}
            own.publish(**{type: None for type, is_there in published.items() if not is_there})
            for type, is_there in published.items():
                state = own.verify(type)
                must((state == VERIFIED) is is_there, f"{type} as published: {is_there}", state)
            reply = reply_to_sender(own.target, account)
            missing = [type for type, is_there in published.items() if not is_there]
            missing += [] if is_approved else ["approv"]
            if not missing:
                must_answer(reply, "250", "all three are there")
                continue
            must_refuse(reply, f"missing: {missing}", ("550 5.7.1", "535 5.7.8"))
            if not all(word in reply.text.lower() for word in missing):
                remark(f"the refusal does not name what is missing, {missing}: {reply.text}")


@requirement("USR-08")
def test_the_name_of_the_dkim_record(tenancy: Tenancy, fresh: dict[str, Any]) -> None:
    """It is a UUID, `_domainkey` and the domain."""
    name = fresh["config"]["dkim"]["txt_name"]
    form = rf"[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\._domainkey\.{fresh['domain']}"
    must(re.fullmatch(form, name), expected="uuid._domainkey.domain", observed=name)


@requirement("USR-08")
def test_the_questionnaire_is_complete(tenancy: Tenancy, fresh: dict[str, Any]) -> None:
    """Each of its eight points is asked for."""
    own = tenancy.own(fresh["id"])
    for point in ANSWERS:
        rest = {name: value for name, value in ANSWERS.items() if name != point}
        answer = tenancy.perform("lab_questionnaire", **own, **rest)
        must(not answer.is_accepted, expected=f"{point} to be asked for", observed=answer.shown)


@requirement("USR-08")
@pytest.mark.parametrize("contacts", [0, 5, "nobody"])
def test_one_to_four_contacts(tenancy: Tenancy, fresh: dict[str, Any], contacts: int | str) -> None:
    """Not none, not five, and each an address."""
    given = [f"c{n}@example.com" for n in range(contacts)] if isinstance(contacts, int) else ["x"]
    answer = tenancy.perform(
        "lab_questionnaire", **tenancy.own(fresh["id"]), **{**ANSWERS, "contacts": given}
    )
    must(not answer.is_accepted, expected="one to four addresses", observed=answer.shown)


@requirement("USR-08")
@takes_seconds(4)
def test_a_person_decides(tenancy: Tenancy, fresh: dict[str, Any]) -> None:
    """Nobody approves without answers; with them it is pending, then rejected or approved."""
    own = tenancy.own(fresh["id"])

    def state() -> str:
        config = tenancy.do("get_smtp_configuration", **own).body["config"]
        return str(config["en_authorization"]["verification"])

    early = tenancy.perform("lab_approve", **own)
    must(not early.is_accepted, expected="answers to be asked for first", observed=early.shown)
    seen = []
    for operation, more in (
        ("lab_questionnaire", ANSWERS),
        ("lab_reject", {"reason": "no imprint"}),
        ("lab_questionnaire", ANSWERS),
        ("lab_approve", {}),
    ):
        tenancy.do(operation, **own, **more)
        seen.append(state())
    wanted = ["PENDING", "FAILED", "PENDING", "VERIFIED"]
    must(seen == wanted, expected=" ".join(wanted), observed=" ".join(seen))
