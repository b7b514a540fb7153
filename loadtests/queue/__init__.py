"""What the queue costs, and what it stands: see `docs/queue.md`."""
