"""LIM: REQUIRETLS need not be offered; when it is not, it is not taken either (RFC 8689)."""

from __future__ import annotations

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.steps import must_answer, must_refuse, sender_of
from fixtures.plugin import Connect, LogIn
from fixtures.target import Target


@requirement("LIM-01")
def test_requiretls_is_no_word_for_clear_text(clear: Connect) -> None:
    """REQUIRETLS shows up inside TLS only (RFC 8689 §2)."""
    hello = must_answer(clear().ehlo(), "250", "EHLO with a domain is answered")
    must("REQUIRETLS" not in hello.keywords, "no REQUIRETLS in clear", hello.raw)


@requirement("LIM-01")
def test_requiretls_is_acted_on_or_refused(session: LogIn, target: Target) -> None:
    """MAIL with REQUIRETLS is refused where EHLO does not offer it: a promise is not ignored."""
    probe = session()
    hello = must_answer(probe.ehlo(), "250", "EHLO may be repeated")
    reply = probe.mail(sender_of(target), "REQUIRETLS")
    if "REQUIRETLS" in hello.keywords:
        must_answer(reply, "250", "REQUIRETLS is offered")
    else:
        must_refuse(reply, "REQUIRETLS is not offered", exactly=("555", "501", "504"))
