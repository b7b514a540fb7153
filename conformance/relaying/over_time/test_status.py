"""RLY-20: what the status look-up tells of each recipient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.judgement import must, not_observable
from conformance.relaying.next_hop import OpenNextHop, wait_until
from conformance.relaying.queue_ids import queue_id_of, states_of, wait_for_states
from conformance.requirement import requirement
from conformance.steps import must_answer, must_refuse, sender_of
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.target import Target


@requirement("RLY-20")
def test_each_recipient_has_a_state_and_a_history_of_its_own(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Callable[[float], None],
) -> None:
    """Delivered, put off and then delivered, bounced: each with the remote words, in order."""
    if target.control_plane is None:
        not_observable("states need a control plane")
    hop = next_hop()
    # Their initials and lengths differ, so that masks can be told apart.
    good, late, bad = (hop.recipient(name) for name in ("good", "lateish", "badbadbad"))
    hop.sink.refuse(late, "451 4.2.1 Come back later", times=1)
    hop.sink.refuse(bad, "550 5.1.1 Nobody of that name")
    reply = session().submit(sender_of(target), [good, late, bad], message(token))
    queue_id = queue_id_of(target, reply)
    states = wait_for_states(target, queue_id, 3, ("delivered", "deferred", "bounced"))
    must(states == ["bounced", "deferred", "delivered"], "one state for each", states)
    for _ in range(24):
        advance(600.0)
        if wait_until(lambda: "deferred" not in wait_for_states(target, queue_id, 0, ()), 0.25):
            break
    by_state: dict[str, list[list[dict[str, Any]]]] = {}
    found = states_of(target, queue_id)
    for shown, recipient in found.items():
        by_state.setdefault(recipient["state"], []).append(recipient["history"])
        for address in (good, late, bad):
            is_masked = shown != address
            must(is_masked, expected="masked addresses", observed=shown)
    must(set(by_state) == {"delivered", "bounced"}, "two delivered, one bounced", by_state)
    histories = sorted([step["state"] for step in each] for each in by_state["delivered"])
    straight, detour = ["submitted", "delivered"], ["submitted", "deferred", "delivered"]
    must(histories == [straight, detour] or histories == [detour, straight], "both ways", histories)
    [bounced] = by_state["bounced"]
    words = [step["text"] for step in bounced]
    must("550 5.1.1 Nobody of that name" in words[-1], "the remote words", words)
    late_words = [step["text"] for each in by_state["delivered"] for step in each]
    must(any("451 4.2.1" in text for text in late_words), "the words of the deferral", late_words)
    for each in (*by_state["delivered"], bounced):
        times = [step["at"] for step in each]
        must(times == sorted(times), expected="a history in order", observed=times)


@requirement("RLY-20")
def test_a_final_state_stays(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Callable[[float], None],
) -> None:
    """What was delivered is delivered still when another recipient has been put off again."""
    if target.control_plane is None:
        not_observable("states need a control plane")
    hop = next_hop()
    good, never = hop.recipient("good"), hop.recipient("neverever")
    hop.sink.refuse(never, "451 4.2.1 Come back later")
    reply = session().submit(sender_of(target), [good, never], message(token))
    queue_id = queue_id_of(target, reply)
    wait_for_states(target, queue_id, 1, ("delivered",))
    for _ in range(8):
        advance(1800.0)
        states = wait_for_states(target, queue_id, 1, ("delivered",))
        must(states == ["deferred", "delivered"], "delivered stays delivered", states)
    # The clock moves faster than a busy machine delivers.
    is_asked = hop.wait_until_asked(never, 2)
    must(is_asked, expected="further attempts", observed=hop.asked_for(never))


@requirement("RLY-20")
def test_what_was_refused_has_no_state(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """A message that the relay refused is not to be found."""
    control_plane = target.control_plane
    if control_plane is None:
        not_observable("states need a control plane")
    probe = session()
    reply = probe.submit(sender_of(target), target.recipient(), message(token))
    queue_id = queue_id_of(target, reply)
    must_answer(probe.mail(sender_of(target)), "250", "the next message")
    must_answer(probe.rcpt(target.recipient()), "250", "a valid recipient")
    foreign = message(token, from_="somebody@foreign.example")
    refused = probe.data(foreign)
    must_refuse(refused, "a foreign author")
    found = target.queue_id_pattern.search(refused.text)
    must(found is None, expected="no queue ID for what was refused", observed=refused.raw)
    for guess in (queue_id[:-1] + ("0" if queue_id[-1] != "0" else "1"), token, "..%2f.."):
        status = control_plane.message_status(guess)
        must(status is None, expected=f"nothing under {guess}", observed=status)
