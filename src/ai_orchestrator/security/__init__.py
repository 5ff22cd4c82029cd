"""Credentials at rest, redaction, trust in repository files."""
