"""The Sender Policy Framework: who may send for a domain (RFC 7208). Pure over its own look-ups."""
