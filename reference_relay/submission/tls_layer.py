"""TLS between a transport and a session, with both ends of the pipe in our hands.

asyncio's own upgrade answers an early EHLO in clear on the stock loop and, through streams, hands
pre-TLS octets to the encrypted session. Here every octet that arrives after the 220 goes into the
TLS engine, and nothing else can reach the session (RFC 3207 §4.2, CVE-2011-0411).
"""

from __future__ import annotations

import ssl

# One TLS record holds at most this much plaintext (RFC 8446 §5.1), and one reading gives one.
_RECORD = 16384
# One for all connections of the loop: it is emptied before the loop turns again.
_PLAINTEXT = memoryview(bytearray(16 * _RECORD))
_LAST_RECORD = len(_PLAINTEXT) - _RECORD

# RFC 8314 §4.3 wants the registered names; OpenSSL has its own for TLS 1.2.
_REGISTERED_NAMES = {
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}


class TLSError(Exception):
    """The peer broke the handshake or the record layer; an alert may be due for sending."""


class TLSLayer:
    """One connection's TLS engine: ciphertext in, plaintext out, and back."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._engine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_established = False
        self.is_closed_by_peer = False
        self.cipher: str | None = None
        """The cipher suite by its registered name, once established."""

    @property
    def version(self) -> str | None:
        """`"TLSv1.3"` and the like, once established."""
        return self._engine.version()

    def receive(self, ciphertext: bytes | memoryview) -> bytes:
        """Take octets from the transport; return the plaintext they complete.

        Raises:
            TLSError: The handshake or a record is broken.
        """
        incoming = self._incoming
        incoming.write(ciphertext)
        # The records of one wake-up are decrypted side by side, then copied once.
        pieces: list[bytes] = []
        length = 0
        try:
            if not self.is_established:
                self._shake_hands()
            # The engine takes whole records off the pipe: an empty pipe has nothing more to say,
            # and not asking saves an exception a wake-up.
            while incoming.pending:
                if length > _LAST_RECORD:
                    pieces.append(bytes(_PLAINTEXT[:length]))
                    length = 0
                # The type stubs know only the reading that returns octets.
                count: int = self._engine.read(_RECORD, _PLAINTEXT[length:])  # type: ignore[assignment]
                if not count:
                    self.is_closed_by_peer = True
                    break
                length += count
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if not (self.is_established and isinstance(error, ssl.SSLZeroReturnError)):
                raise TLSError(error.reason or "TLS error") from error
            self.is_closed_by_peer = True
        last = bytes(_PLAINTEXT[:length])
        return b"".join((*pieces, last)) if pieces else last

    def send(self, plaintext: bytes) -> None:
        """Encrypt octets for sending."""
        self._engine.write(plaintext)

    def close(self) -> None:
        """Queue close_notify (RFC 8446 §6.1); the peer's is not waited for."""
        if self.is_established:
            try:
                self._engine.unwrap()
            except ssl.SSLError:
                # It always wants the peer's close_notify, and ours is written by then.
                return

    def data_to_send(self) -> bytes:
        """Return and forget the octets due for the transport."""
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        self._engine.do_handshake()
        self.is_established = True
        cipher = self._engine.cipher()
        self.cipher = _REGISTERED_NAMES.get(cipher[0], cipher[0]) if cipher else None


def server_context(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """Make the context of an endpoint: TLS 1.2 and 1.3, forward secrecy, our order.

    Raises:
        OSError: A file cannot be read, or is no certificate or key (`ssl.SSLError`).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # RFC 8996, RFC 9325 §3.1.1: nothing older than 1.2.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9325 §4.2: ECDHE with AEAD only; TLS 1.3 brings its own suites.
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= (
        ssl.OP_NO_COMPRESSION
        | ssl.OP_NO_RENEGOTIATION
        | ssl.OP_CIPHER_SERVER_PREFERENCE
        | ssl.OP_SINGLE_ECDH_USE
    )
    # RFC 8446 §C.4 wants a ticket used once, and a client that comes back brings one; a second
    # one would cost every handshake a fifteenth of its CPU.
    context.num_tickets = 1
    # An encrypted key gets an empty password, hence an error, instead of a prompt nobody sees.
    context.load_cert_chain(certificate_file, key_file, password=lambda: "")
    return context
