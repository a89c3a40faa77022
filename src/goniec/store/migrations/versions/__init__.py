"""The steps, oldest first. Alembic reads this folder; nothing imports it."""
