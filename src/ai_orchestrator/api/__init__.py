"""The HTTP API: one app, served by the runner's socket and by the service."""
