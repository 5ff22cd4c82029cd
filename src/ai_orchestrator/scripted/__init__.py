"""A scripted model server: the demo, the tests, and an agent without a key."""
