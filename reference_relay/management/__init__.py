"""The management API: HTTP on loopback behind a bearer token (D-26)."""
