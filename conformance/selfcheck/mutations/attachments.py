"""Relays with gaps in the attachment rule."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace


def multiparts_refused() -> None:
    from reference_relay.policy.mime_structure import Inspection
    from reference_relay.smtp import replies

    replace(Inspection, "_judge_multipart", lambda *_: replies.ATTACHMENTS_REFUSED)


def words_searched() -> None:
    from reference_relay.policy import no_attachment

    replace(
        no_attachment,
        "holds_file",
        lambda octets, start=0: b"attachment" in octets.lower() or b"filename=" in octets,
    )


def nested_parts_unseen() -> None:
    deeper_parts_pass(1)


def depth_of_eight() -> None:
    deeper_parts_pass(8)


def deeper_parts_pass(depth: int) -> None:
    """Let every multipart pass that lies so deep."""
    from reference_relay.policy.mime_structure import Inspection

    @around(Inspection, "_judge_multipart")
    def shallow(original: Broken, self: Any, media: Any, start: int, end: int, around: Any) -> Any:
        if around.depth >= depth:
            return None
        return original(self, media, start, end, around)


def exact_word_refused() -> None:
    from reference_relay.policy import mime_field

    @around(mime_field, "disposition")
    def literal(original: Broken, field: bytes) -> Any:
        is_attachment = field.partition(b":")[2].startswith(b" attachment")
        return mime_field.Disposition(is_inline=not is_attachment, has_file_name=False)


def unknown_dispositions_pass() -> None:
    from reference_relay.policy import mime_field

    @around(mime_field, "disposition")
    def narrow(original: Broken, field: bytes) -> Any:
        found = original(field) or mime_field.Disposition(is_inline=True, has_file_name=False)
        is_attachment = field.partition(b":")[2].strip().lower().startswith(b"attachment")
        return dataclasses.replace(found, is_inline=not is_attachment)


def file_names_pass() -> None:
    from reference_relay.policy import mime_field

    replace(mime_field, "_has_file_name", lambda parameters: False)


def plain_file_names_only() -> None:
    from reference_relay.policy import mime_field

    replace(
        mime_field,
        "_has_file_name",
        lambda parameters: not {b"filename", b"name"}.isdisjoint(parameters),
    )


def unreadable_parameters_pass() -> None:
    from reference_relay.policy import mime_field

    @around(mime_field, "_parameters")
    def lenient(original: Broken, field: bytes, position: int) -> Any:
        found = original(field, position)
        return {} if found is None else found


def types_pass(pattern: bytes) -> None:
    """Take media types that fit the pattern for plain text."""
    from reference_relay.policy import mime_field

    @around(mime_field, "media_type")
    def lenient(original: Broken, field: bytes) -> Any:
        found = original(field)
        if found is not None and re.fullmatch(pattern, found.full):
            return mime_field.MediaType(b"text", b"plain")
        return found


def other_leaves_pass() -> None:
    types_pass(rb"(image|audio|video|application|font|model|unknown|x-texts)/.*")


def containers_pass() -> None:
    types_pass(rb"application/(ms-tnef|pkcs7-mime|pgp-.*)")


def images_pass() -> None:
    types_pass(rb"image/.*")


def messages_unseen() -> None:
    from reference_relay.policy.mime_structure import Inspection

    replace(Inspection, "_judge_message", lambda *_: None)


def mime_version_demanded() -> None:
    from reference_relay.policy import message

    @around(message, "judge_attachments")
    def strict(original: Broken, found: Any, rules: Any) -> Any:
        if b"MIME-Version: 1.0\r\n" not in found.content:
            return None
        return original(found, rules)


class _FirstOfEach:
    """A pattern whose findall gives the first of several fields with one name."""

    def __init__(self, pattern: re.Pattern[bytes], at_most: int = 1_000_000) -> None:
        self._pattern = pattern
        self._at_most = at_most

    def findall(self, octets: bytes) -> list[tuple[bytes, bytes]]:
        lines = octets.splitlines(keepends=True)[: self._at_most]
        kept: dict[bytes, tuple[bytes, bytes]] = {}
        for raw, name in self._pattern.findall(b"".join(lines)):
            kept.setdefault(name.lower(), (raw, name))
        return list(kept.values())


def first_field_wins() -> None:
    from reference_relay.policy import message, mime_structure

    replace(mime_structure, "_CONTENT_FIELD", _FirstOfEach(mime_structure._CONTENT_FIELD))

    @around(message, "judge_attachments")
    def first(original: Broken, found: Any, rules: Any) -> Any:
        kept = {name.lower(): (name, raw) for name, raw in reversed(list(found.fields))}
        by_key = {key: raw for key, (_, raw) in kept.items()}
        return original(found._replace(fields=list(kept.values()), by_key=by_key), rules)


def a_hundred_lines() -> None:
    from reference_relay.policy import mime_structure

    replace(mime_structure, "_CONTENT_FIELD", _FirstOfEach(mime_structure._CONTENT_FIELD, 100))


def broken_structure_passes() -> None:
    from reference_relay.policy.mime_structure import Inspection
    from reference_relay.smtp import replies

    @around(Inspection, "_judge_multipart")
    def lenient(original: Broken, self: Any, *arguments: Any) -> Any:
        refusal = original(self, *arguments)
        return None if refusal is replies.STRUCTURE_REFUSED else refusal


def epilogue_refused() -> None:
    from reference_relay.policy.mime_structure import Inspection
    from reference_relay.smtp import replies

    @around(Inspection, "_judge_unread")
    def strict(original: Broken, self: Any, start: int, end: int) -> Any:
        return replies.STRUCTURE_REFUSED if self.octets[start:end].strip() else None


def unknown_encoding_passes() -> None:
    from reference_relay.policy import mime_field

    @around(mime_field, "encoding")
    def lenient(original: Broken, field: bytes) -> bytes:
        return original(field) or b"7bit"


def unreadable_type_is_text() -> None:
    from reference_relay.policy import mime_field

    @around(mime_field, "media_type")
    def lenient(original: Broken, field: bytes) -> Any:
        return original(field) or mime_field.MediaType(b"text", b"plain")


def begin_searched() -> None:
    from reference_relay.policy import no_attachment

    pattern = re.compile(rb"(?m)^(begin \d{3}|=ybegin)")
    replace(
        no_attachment,
        "holds_file",
        lambda octets, start=0: pattern.search(octets, start) is not None,
    )


MUTATIONS = {
    "multiparts-refused": Mutation(("ATT-01",), multiparts_refused, "Every multipart is refused."),
    "words-searched": Mutation(
        ("ATT-02",), words_searched, "The word attachment in a text is an attachment."
    ),
    "nested-parts-unseen": Mutation(
        ("ATT-03",), nested_parts_unseen, "An attachment in a nested part is accepted."
    ),
    "exact-word-refused": Mutation(
        ("ATT-04",), exact_word_refused, "Only `attachment` in this spelling is one."
    ),
    "unknown-dispositions-pass": Mutation(
        ("ATT-05",), unknown_dispositions_pass, "Unknown dispositions count as inline."
    ),
    "file-names-pass": Mutation(("ATT-06",), file_names_pass, "File names are ignored."),
    "plain-file-names-only": Mutation(
        ("ATT-07",), plain_file_names_only, "File names in pieces are ignored."
    ),
    "unreadable-parameters-pass": Mutation(
        ("ATT-08",), unreadable_parameters_pass, "Parameters that cannot be read are none."
    ),
    "other-leaves-pass": Mutation(
        ("ATT-09",), other_leaves_pass, "Parts that are no text pass without a disposition."
    ),
    "images-pass": Mutation(("ATT-10",), images_pass, "Pictures pass against the profile."),
    "messages-unseen": Mutation(
        ("ATT-11",), messages_unseen, "Messages inside the message are not inspected."
    ),
    "containers-pass": Mutation(("ATT-12",), containers_pass, "TNEF and other containers pass."),
    "depth-of-eight": Mutation(
        ("ATT-13",), depth_of_eight, "The inspection ends at the eighth level."
    ),
    "mime-version-demanded": Mutation(
        ("ATT-14",), mime_version_demanded, "Without MIME-Version: 1.0 nothing is inspected."
    ),
    "first-field-wins": Mutation(
        ("ATT-15",), first_field_wins, "Of two Content fields the first is judged."
    ),
    "broken-structure-passes": Mutation(
        ("ATT-16",), broken_structure_passes, "A multipart that cannot be read passes."
    ),
    "epilogue-refused": Mutation(
        ("ATT-17",), epilogue_refused, "A note before the first part is an offence."
    ),
    "unknown-encoding-passes": Mutation(
        ("ATT-18",), unknown_encoding_passes, "Unknown encodings count as 7bit."
    ),
    "unreadable-type-is-text": Mutation(
        ("ATT-19",), unreadable_type_is_text, "A media type that cannot be read is text."
    ),
    "begin-searched": Mutation(
        ("ATT-20",), begin_searched, "A line that begins with `begin 644` is a file."
    ),
    "a-hundred-lines": Mutation(
        ("ATT-21",), a_hundred_lines, "Part headers are read for a hundred lines."
    ),
}
