"""The sink `sql`: events as rows of a table, in PostgreSQL or SQLite."""
