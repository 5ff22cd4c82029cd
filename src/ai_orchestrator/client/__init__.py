"""Typed client of the HTTP API, over TCP or the runner's Unix socket."""
