"""Goniec: contact events come in, rules decide, signed webhooks go out.

This package file holds the version and nothing else, so that importing any room of the house costs only that room.
"""

__version__ = "0.1.0"
