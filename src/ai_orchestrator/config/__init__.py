"""Settings, read once and passed down; the only importer of the environment."""
