"""The whole Goniec of the end-to-end tests."""

from tests.e2e.conftest import engine, kind

__all__ = ["engine", "kind"]
