"""YAML to a frozen workflow: shape, meaning, every error with its place; nothing runs here."""
