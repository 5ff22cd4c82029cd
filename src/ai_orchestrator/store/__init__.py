"""Tables, queries and migrations of our own rows."""
