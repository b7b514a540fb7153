"""The outbound edge: from a due message in the queue to the MX hosts of its recipients."""
