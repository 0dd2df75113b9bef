"""What the wire refuses."""


class WireError(Exception):
    """The peer broke the dialogue: an unknown, oversized, truncated or untimely frame. The link must be closed."""
