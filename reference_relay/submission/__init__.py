"""The inbound edge: sockets, TLS and time around `smtp.ServerSession`."""
