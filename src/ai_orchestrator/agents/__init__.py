"""Drivers of coding agents: one file per command-line agent, found by the registry."""
