"""How it is spoken: bytes in, events out. No sockets, no clock, no accounts."""
