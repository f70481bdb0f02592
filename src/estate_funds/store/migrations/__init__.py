"""How ledgers of older formats become ledgers of the newest: Alembic's environment and its versions, one per format."""
