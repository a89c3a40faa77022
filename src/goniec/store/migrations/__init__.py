"""How the schema came to be, step by step, by Alembic. No ini file, no env.py: each store runs the steps.

A step is written for all databases, in `versions/`, numbered on; then `HEAD` is raised here and `fresh.sql` of the
SQLite store is written anew (`python -m goniec.store.sqlite.fresh`). Every store runs the steps as text, so what they
do with data they do in SQL.
"""

from pathlib import Path
from typing import Final

SCRIPTS: Final = Path(__file__).parent

HEAD: Final = "0010"
"""The version of the schema that this program works with."""

OLDEST: Final = "0010"
"""A program that works with this version still works with the schema `HEAD`; one from before mail would write contacts
back without what they know of it. Steps expand first and contract a release later, so that on PostgreSQL the next
release runs beside this one while it is rolled out."""
