"""The relay with another spool, for the measurements of `docs/queue.md`. Not part of the wheel."""
