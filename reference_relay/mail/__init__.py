"""What is carried: addresses, envelopes, content, trace fields. Values only."""
