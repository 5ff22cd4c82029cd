"""Keeps secrets: encrypted at rest, out of everything that is stored or shown."""
