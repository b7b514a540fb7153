"""The body as its recipient reads it."""

from __future__ import annotations

import base64
import quopri

from fixtures.sink import Delivery


def decoded_body(delivery: Delivery) -> bytes:
    """Return the body as the recipient reads it, after a lawful down-conversion too."""
    header = delivery.header.lower()
    if b"content-transfer-encoding: base64" in header:
        return base64.b64decode(delivery.body)
    if b"content-transfer-encoding: quoted-printable" in header:
        return quopri.decodestring(delivery.body)
    return delivery.body
