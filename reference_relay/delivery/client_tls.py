"""The client's side of TLS between two memory buffers (RFC 3207, RFC 8446)."""

from __future__ import annotations

import ssl

# One TLS record holds at most this much plaintext (RFC 8446 §5.1).
_RECORD = 16384


class TLSError(Exception):
    """The handshake failed, or the host broke the record layer; an alert may be due."""


class ClientTLS:
    """One connection's TLS engine: ciphertext in, plaintext out, and back."""

    def __init__(self, context: ssl.SSLContext, verified_name: str) -> None:
        """Make an engine.

        Args:
            context: decides whether the certificate counts.
            verified_name: the host's name, "" where the context verifies none.
        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._engine = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=verified_name or None
        )
        self.is_established = False

    def start(self) -> bytes:
        """Return the ClientHello."""
        self._shake_hands()
        return self.data_to_send()

    def receive(self, ciphertext: bytes | memoryview) -> bytes:
        """Take octets from the host; return the plaintext they complete.

        Raises:
            TLSError: the handshake or a record is broken, or the certificate does not count.
        """
        self._incoming.write(ciphertext)
        pieces: list[bytes] = []
        try:
            if not self.is_established:
                self._shake_hands()
            while self.is_established and (piece := self._engine.read(_RECORD)):
                pieces.append(piece)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            # close_notify: the end of the connection follows and says the rest.
            pass
        except ssl.SSLCertVerificationError as error:
            raise TLSError(error.verify_message) from error
        except ssl.SSLError as error:
            raise TLSError(error.reason or "TLS error") from error
        return b"".join(pieces)

    def send(self, plaintext: bytes) -> None:
        """Encrypt octets for sending."""
        self._engine.write(plaintext)

    def data_to_send(self) -> bytes:
        """Return and forget the octets due for the host."""
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._engine.do_handshake()
            self.is_established = True
        except ssl.SSLWantReadError:
            pass
