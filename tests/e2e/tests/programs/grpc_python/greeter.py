"""The service: names of its methods, and messages that are plain bytes, so that nothing is generated."""

SERVICE = "programs.Greeter"
# Answers with what it was sent.
HELLO = f"/{SERVICE}/Hello"
# Answers with MESSAGES messages, PAUSE_S apart.
COUNT = f"/{SERVICE}/Count"
# Fails with NOT_FOUND.
MISSING = f"/{SERVICE}/Missing"

MESSAGES = 5
PAUSE_S = 0.03


def plain(message: bytes) -> bytes:
    """Serializes and deserializes a message."""
    return message
