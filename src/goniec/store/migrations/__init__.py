"""How the schema came to be, step by step, by Alembic. No ini file, no env.py: each store runs the steps.

A step is written for all databases, in `versions/`, numbered on; then `HEAD` is raised here and `fresh.sql` of the
SQLite store is written anew (`python -m goniec.store.sqlite.fresh`). SQLite runs the steps as text, so what they do
with data they do in SQL.
"""

from typing import Final

HEAD: Final = "0005"
"""The version of the schema that this program works with."""
