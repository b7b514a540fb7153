"""What is wrong with a zone, in one line."""


class ZoneError(ValueError):
    """A zone that cannot be served; the message names the place and what was expected."""
