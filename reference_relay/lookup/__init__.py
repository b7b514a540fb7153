"""Name look-ups through the configured name servers, for delivery and for verification."""
