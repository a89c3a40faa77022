"""The Polish of what can be wrong with something that a user wrote; `{}` stands for what differs, in order."""

from typing import Final

POLISH: Final[dict[str, str]] = {
    "is required": "to pole jest wymagane",
}
