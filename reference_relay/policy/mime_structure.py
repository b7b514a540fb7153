"""The structure of a message and what in it is an attachment (RFC 2045, RFC 2046, D-13).

Fail-closed: whatever two plausible readers would see differently is refused. One pass with
`find` for each level of nesting, positions instead of copies, no part is decoded but for files
hidden in its text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reference_relay.mail.content import CRLF, regular_header_end
from reference_relay.policy import mime_field
from reference_relay.policy.file_block import holds_file
from reference_relay.policy.mime_field import MediaType
from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply

# Forwards of forwards stay below ten; readers with a limit have theirs between 20 and 100.
MAXIMUM_DEPTH = 20
# A digest of a busy day has some hundred messages.
MAXIMUM_PARTS = 1000

_CONTENT_FIELD = re.compile(
    rb"^((content-[!-9;-~]*+):[^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*+)", re.IGNORECASE | re.MULTILINE
)
# What a part hidden outside the parts would begin with, in any shape a reader might accept.
_CONTENT_LINE = re.compile(
    rb"^[^A-Za-z\r\n]{0,4}content-[^ \t:]*+[ \t]*+:", re.IGNORECASE | re.MULTILINE
)
# delimiter = CRLF "--" boundary; then "--" on the last, transport-padding, CRLF
_DELIMITER_REST = re.compile(rb"(--)?[ \t]*+(?:\r\n|\Z)")

_PLAIN_TEXT = MediaType(b"text", b"plain")
_MESSAGE = MediaType(b"message", b"rfc822")
# What every reader displays as the text of a message.
_BODIES = frozenset({b"plain", b"html"})
_ENCAPSULATING = frozenset({b"rfc822", b"global"})
# RFC 3464, RFC 8098, RFC 6533, RFC 3886, RFC 5965: blocks of fields, shown as text
_REPORTS = frozenset(
    {
        b"delivery-status",
        b"disposition-notification",
        b"global-delivery-status",
        b"global-disposition-notification",
        b"global-headers",
        b"tracking-status",
        b"feedback-report",
    }
)
# RFC 2045 §6.4: composites take no encoding that has to be undone.
_IDENTITIES = frozenset({b"7bit", b"8bit", b"binary"})


@dataclass(frozen=True, slots=True)
class AttachmentRules:
    """What a profile may let in or keep out (D-13); none of it may have a file name of its own.

    Inline images are those of a multipart/related with a Content-ID; they may be named, since
    nearly all are. Other text is text/* but plain and HTML; with it and enclosed messages, which
    are all of message/*, some mail libraries list what they leave to others to display.
    """

    calendar: bool = False
    inline_images: bool = False
    other_text: bool = True
    enclosed_messages: bool = True


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What an entity inherits from those around it."""

    parent: bytes = b""
    default: MediaType = _PLAIN_TEXT
    boundaries: tuple[bytes, ...] = ()
    depth: int = 0


@dataclass(slots=True)
class Inspection:
    """One walk over the entities of a content."""

    octets: bytes
    rules: AttachmentRules
    _parts: int = field(default=0, init=False)

    def judge_entity(
        self, start: int, end: int, around: _Surroundings = _Surroundings()
    ) -> Reply | None:
        """Judge the entity between two positions, its header section first."""
        header_end = regular_header_end(self.octets, start, end)
        body_start = header_end
        if self.octets.startswith(CRLF, header_end, end):
            body_start += 2
        elif header_end != end:
            # A line that is no field, and no blank line before it: no two readers agree on it.
            return replies.STRUCTURE_REFUSED
        content_fields: dict[bytes, bytes] = {}
        for raw, name in _CONTENT_FIELD.findall(self.octets[start:header_end]):
            key = name.lower()
            if key in content_fields:
                return replies.STRUCTURE_REFUSED
            content_fields[key] = raw
        return self.judge_body(content_fields, body_start, end, around)

    def judge_body(
        self,
        content_fields: Mapping[bytes, bytes],
        start: int,
        end: int,
        around: _Surroundings = _Surroundings(),
    ) -> Reply | None:
        """Judge an entity by its raw fields, of which each Content- field appears once."""
        media = around.default
        if (raw := content_fields.get(b"content-type")) is not None:
            read = mime_field.media_type(raw)
            if read is None:
                return replies.STRUCTURE_REFUSED
            media = read
        encoding: bytes | None = b"7bit"
        if (raw := content_fields.get(b"content-transfer-encoding")) is not None:
            encoding = mime_field.encoding(raw)
        if media.has_file_name or b"content-disposition" in content_fields:
            refusal = self._judge_file(media, content_fields, around)
            if refusal is not None:
                return refusal
        if encoding is None:
            return replies.STRUCTURE_REFUSED
        match media.type:
            case b"text":
                return self._judge_text(media, encoding, start, end)
            case b"multipart" | b"message":
                if encoding not in _IDENTITIES or (not around.depth and self._has_bare_line_end()):
                    return replies.STRUCTURE_REFUSED
                if media.type == b"multipart":
                    return self._judge_multipart(media, start, end, around)
                return self._judge_message(media, start, end, around)
            case b"image" if self._is_inline_image(media, content_fields, around):
                return None
            case _:
                return replies.ATTACHMENTS_REFUSED

    def _judge_file(
        self, media: MediaType, content_fields: Mapping[bytes, bytes], around: _Surroundings
    ) -> Reply | None:
        has_file_name = media.has_file_name
        if (raw := content_fields.get(b"content-disposition")) is not None:
            disposition = mime_field.disposition(raw)
            if disposition is None:
                return replies.STRUCTURE_REFUSED
            if not disposition.is_inline:
                # RFC 2183 §2.8: an unrecognised type is an attachment.
                return replies.ATTACHMENTS_REFUSED
            has_file_name = has_file_name or disposition.has_file_name
        if has_file_name and not self._is_inline_image(media, content_fields, around):
            return replies.ATTACHMENTS_REFUSED
        return None

    def _is_inline_image(
        self, media: MediaType, content_fields: Mapping[bytes, bytes], around: _Surroundings
    ) -> bool:
        return (
            self.rules.inline_images
            and media.type == b"image"
            and around.parent == b"multipart/related"
            and b"content-id" in content_fields
        )

    def _judge_text(self, media: MediaType, encoding: bytes, start: int, end: int) -> Reply | None:
        if media.subtype not in _BODIES and not self._lets_in_text(media.subtype):
            return replies.ATTACHMENTS_REFUSED
        match encoding:
            case b"base64":
                encoded = self.octets[start:end].translate(None, b" \t\r\n")
                try:
                    # Strict: behind early padding or junk, decoders find different octets.
                    text = binascii.a2b_base64(encoded, strict_mode=True) if encoded else b""
                except binascii.Error:
                    return replies.STRUCTURE_REFUSED
            case b"quoted-printable":
                text = binascii.a2b_qp(self.octets[start:end])
            case _:
                return None  # the whole content is searched as it stands
        # Only a decoded text may hold bare line ends.
        text = text.replace(CRLF, b"\n").replace(b"\r", b"\n")
        return replies.ATTACHMENTS_REFUSED if holds_file(text) else None

    def _lets_in_text(self, subtype: bytes) -> bool:
        return self.rules.calendar if subtype == b"calendar" else self.rules.other_text

    def _judge_message(
        self, media: MediaType, start: int, end: int, around: _Surroundings
    ) -> Reply | None:
        if not self.rules.enclosed_messages:
            return replies.ATTACHMENTS_REFUSED
        if media.subtype in _ENCAPSULATING:
            if around.depth >= MAXIMUM_DEPTH:
                return replies.STRUCTURE_TOO_LARGE
            # The boundaries around it stay in force: no delimiter may be hidden in a message.
            return self.judge_entity(
                start,
                end,
                _Surroundings(
                    parent=media.full, boundaries=around.boundaries, depth=around.depth + 1
                ),
            )
        if media.subtype in _REPORTS:
            # Some readers take it for a message of its own, with fields of its own.
            return self._judge_unread(start, end)
        # message/partial and message/external-body stand for content that is not here; RFC 2046
        # §5.2.4: an unknown one is an octet-stream.
        return replies.ATTACHMENTS_REFUSED

    def _judge_multipart(
        self, media: MediaType, start: int, end: int, around: _Surroundings
    ) -> Reply | None:
        boundary = media.boundary
        if boundary is None:
            return replies.STRUCTURE_REFUSED
        if around.depth >= MAXIMUM_DEPTH:
            return replies.STRUCTURE_TOO_LARGE
        for outer in around.boundaries:
            # Readers that compare only the beginning take one delimiter for the other.
            if outer.startswith(boundary) or boundary.startswith(outer):
                return replies.STRUCTURE_REFUSED
        inside = _Surroundings(
            parent=media.full,
            default=_MESSAGE if media.subtype == b"digest" else _PLAIN_TEXT,
            boundaries=(*around.boundaries, boundary),
            depth=around.depth + 1,
        )
        octets = self.octets
        delimiter = b"\r\n--" + boundary
        # The CRLF of the first delimiter may be the one that ends the header section.
        found = octets.find(delimiter, max(start - 2, 0), end)
        if found < 0:
            return replies.STRUCTURE_REFUSED
        if found > start and (refusal := self._judge_unread(start, found)):
            return refusal
        parts_before = self._parts
        while True:
            rest = _DELIMITER_REST.match(octets, found + len(delimiter), end)
            if rest is None:
                return replies.STRUCTURE_REFUSED
            part_start = rest.end()
            following = octets.find(delimiter, part_start - 2, end)
            if rest[1]:
                # RFC 2046 §5.1.1 asks for a part; where there is none, some readers make one up.
                if self._parts == parts_before or following >= 0:
                    return replies.STRUCTURE_REFUSED
                return self._judge_unread(part_start, end)
            if following < part_start:
                # No close delimiter (-1), or two delimiters on top of each other.
                return replies.STRUCTURE_REFUSED
            self._parts += 1
            if self._parts > MAXIMUM_PARTS:
                return replies.STRUCTURE_TOO_LARGE
            # The CRLF before a delimiter belongs to it; here it ends the last field of a part
            # without a body.
            refusal = self.judge_entity(part_start, following + 2, inside)
            if refusal is not None:
                return refusal
            found = following

    def _has_bare_line_end(self) -> bool:
        # The session refuses them as well; here they would decide where a part begins (ATT-16).
        newlines = self.octets.count(b"\n")
        return not newlines == self.octets.count(b"\r") == self.octets.count(CRLF)

    def _judge_unread(self, start: int, end: int) -> Reply | None:
        """Judge what readers skip or show as it is: preamble, epilogue, reports."""
        unread = self.octets[start:end]
        if b"content-" in unread.lower() and _CONTENT_LINE.search(unread):
            return replies.STRUCTURE_REFUSED
        return None
