"""Once accepted, never lost: the durable queue between submission and delivery."""
