"""ATT: text passes, and what calls itself an attachment does not."""

from __future__ import annotations

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.service.mime import (
    HTML,
    TEXT,
    as_message,
    attached,
    entity,
    joined,
    multipart,
    need_attachment_rule,
    nested,
)
from conformance.service.verdict_on_content import ContentAccepted, ContentRefused
from conformance.steps import (
    NothingArrived,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target

ATTACHED = ("554 5.6.1", "550 5.7.0", "550 5.7.1", "550", "554")

ORDINARY = {
    "plain": TEXT,
    "html": HTML,
    "alternative": multipart(TEXT, HTML, subtype="alternative"),
    "mixed-texts": multipart(
        entity("Content-Type: text/plain", "Content-Disposition: inline"),
        entity("Content-Type: text/plain", "Content-Disposition: inline"),
    ),
    "inline": entity("Content-Type: text/plain", "Content-Disposition: inline"),
    "quoted-printable": entity(
        "Content-Type: text/plain; charset=utf-8; format=flowed",
        "Content-Transfer-Encoding: quoted-printable",
        body="Gr=C3=BC=C3=9Fe=\r\n und mehr.\r\n",
    ),
    "base64-text": entity(
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        body="R3LDvMOfZSBhdXMgQmVybGluLg0K\r\n",
    ),
    "related-html": multipart(
        multipart(TEXT, HTML, subtype="alternative", boundary="inner"), boundary="outer"
    ),
    "untyped-part": multipart(entity(), entity("Content-Language: en")),
    "mime-comment": entity("Content-Type: text/plain; charset=us-ascii (plain text)"),
}


@requirement("ATT-01")
@pytest.mark.parametrize("kind", list(ORDINARY))
def test_ordinary_text_is_accepted(
    kind: str, message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """Text in its usual forms is accepted and arrives unchanged."""
    content_accepted(token, as_message(message(token), ORDINARY[kind]))


@requirement("ATT-01")
def test_text_without_mime_is_accepted(
    message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """A message without any MIME field is text."""
    content_accepted(token, message(token))


TALK = (
    "See the attachment. Content-Disposition: attachment is how it is called.",
    "> Content-Type: application/zip; name=a.zip\r\n> Content-Disposition: attachment",
    "A sample:\r\n\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
    " filename=a.pdf\r\n\r\nThat was it.",
    'filename="report.pdf" and name=a.exe are parameters.',
    "--b-1\r\nContent-Type: application/zip\r\n\r\nUEsDBA==\r\n--b-1--",
    "We begin 644 files tomorrow.\r\nbegin\r\nend",
)


@requirement("ATT-02")
@pytest.mark.parametrize("text", TALK, ids=range(len(TALK)))
@pytest.mark.parametrize("form", ["without-mime", "plain", "in-alternative"])
def test_talk_of_attachments_is_no_attachment(
    form: str,
    text: str,
    message: ComposeMessage,
    token: str,
    content_accepted: ContentAccepted,
) -> None:
    """Writing about attachments in subject or text is no offence."""
    composed = message(token, text, subject=f"attachment; filename=a.zip {token}")
    plain = entity("Content-Type: text/plain", body=f"{text}\r\n")
    content = {
        "without-mime": composed,
        "plain": as_message(composed, plain),
        "in-alternative": as_message(
            composed, multipart(plain, HTML, subtype="alternative", boundary="=_other")
        ),
    }[form]
    content_accepted(token, content)


DISPOSED = "Content-Disposition: attachment"
PLACES = {
    "top-level": entity("Content-Type: text/plain", DISPOSED),
    "top-level-untyped": entity(DISPOSED),
    "plain-part": multipart(TEXT, entity("Content-Type: text/plain", DISPOSED)),
    "html-part": multipart(entity("Content-Type: text/html", DISPOSED), TEXT),
    "first-part": multipart(attached(), TEXT),
    "last-part": multipart(TEXT, HTML, attached()),
    "only-part": multipart(attached()),
    "nested-part": multipart(TEXT, multipart(TEXT, attached(), boundary="inner"), boundary="outer"),
    "nested-text-part": nested(
        multipart(TEXT, entity("Content-Type: text/plain", DISPOSED), boundary="inner"), 2
    ),
    "multipart-itself": entity(
        'Content-Type: multipart/mixed; boundary="b-1"', DISPOSED, body=joined(TEXT)
    ),
    "nested-multipart-itself": multipart(
        entity(
            'Content-Type: multipart/alternative; boundary="inner"',
            DISPOSED,
            body=joined(TEXT, HTML, boundary="inner"),
        ),
        boundary="outer",
    ),
    "in-alternative": multipart(TEXT, attached(), subtype="alternative"),
    "with-file-name": entity("Content-Type: text/plain", f"{DISPOSED}; filename=a.txt"),
}


@requirement("ATT-03")
@pytest.mark.parametrize("place", list(PLACES))
def test_an_attachment_is_refused_wherever_it_stands(
    place: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """`Content-Disposition: attachment` on any part is refused, and no copy goes out."""
    need_attachment_rule(target)
    content_refused(token, as_message(message(token), PLACES[place]), "an attachment", ATTACHED)


SPELLINGS = {
    "mixed-case": "Content-Disposition: AtTaChMeNt",
    "field-in-capitals": "CONTENT-DISPOSITION: ATTACHMENT",
    "comment-in-front": "Content-Disposition: (x)attachment",
    "comment-behind": "Content-Disposition: attachment(x)",
    "blank-before-semicolon": "Content-Disposition: attachment ; filename=a.txt",
    "folded": "Content-Disposition:\r\n attachment",
    "folded-twice": "Content-Disposition:\r\n \r\n attachment",
    "tabs": "Content-Disposition:\t\tattachment\t",
    "no-blank": "Content-Disposition:attachment",
    "quoted": 'Content-Disposition: "attachment"',
    "semicolon-only": "Content-Disposition: attachment;",
}


@requirement("ATT-04")
@pytest.mark.parametrize("where", ["part", "message"])
@pytest.mark.parametrize("spelling", list(SPELLINGS))
def test_spelling_hides_no_attachment(
    spelling: str,
    where: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """Letter case, blanks, comments and folds do not hide a disposition."""
    need_attachment_rule(target)
    part = entity("Content-Type: text/plain", SPELLINGS[spelling])
    top = part if where == "message" else multipart(TEXT, part)
    content_refused(token, as_message(message(token), top), "an attachment", ATTACHED)


@requirement("ATT-05")
@pytest.mark.parametrize(
    "value",
    ["x-foo", "", "inline attachment", "form-data; name=a", "inlined", ";", "inline, attachment"],
)
def test_unknown_dispositions_are_attachments(
    value: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """Anything but `inline` is treated as an attachment (RFC 2183 §2.8)."""
    need_attachment_rule(target)
    part = entity("Content-Type: text/plain", f"Content-Disposition: {value}")
    content = as_message(message(token), multipart(TEXT, part))
    content_refused(token, content, "an unknown disposition is an attachment", ATTACHED)


NAMED = {
    "inline-filename": ("Content-Type: application/pdf", "inline; filename=a.pdf"),
    "text-inline-filename": ("Content-Type: text/plain", "inline; filename=a.txt"),
    "plain-name": ("Content-Type: text/plain; name=a.txt", ""),
    "html-name": ('Content-Type: text/html; charset=utf-8; name="a.html"', ""),
    "name-in-capitals": ("Content-Type: text/plain; NAME=a.txt", "inline"),
    "empty-filename": ("Content-Type: text/plain", 'inline; filename=""'),
}


@requirement("ATT-06")
@pytest.mark.parametrize("where", ["part", "message"])
@pytest.mark.parametrize("kind", list(NAMED))
def test_a_file_name_makes_an_attachment(
    kind: str,
    where: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A part with a file name is refused although it calls itself inline."""
    need_attachment_rule(target)
    media_type, disposition = NAMED[kind]
    fields = [media_type] + ([f"Content-Disposition: {disposition}"] if disposition else [])
    part = entity(*fields)
    top = part if where == "message" else multipart(TEXT, part)
    content_refused(token, as_message(message(token), top), "a part with a file name", ATTACHED)


@requirement("ATT-22")
def test_a_refusal_is_whole_and_clean(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A refused message reaches none of its recipients, and the next one is accepted."""
    need_attachment_rule(target)
    recipients = [target.recipient(f"{name}-{token}") for name in ("one", "two", "three")]
    sender = sender_of(target, f"bounces-{token}")
    clean = f"clean{token[1:]}"
    probe = session()
    open_transaction(probe, sender, recipients)
    reply = probe.data(as_message(message(token), multipart(TEXT, attached())))
    must_refuse(reply, "an attachment", exactly=ATTACHED)
    probe.submit(sender, target.recipient(), message(clean))
    arrived(clean)
    nothing_arrived(token)
    for address in (*recipients, sender):
        copies = [copy for copy in sink.deliveries(recipient=address) if not copy.fits(None, clean)]
        must(not copies, expected=f"nothing for {address}", observed=copies)
    must_answer(probe.command("NOOP"), "250", "the session goes on")
