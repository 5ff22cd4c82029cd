"""Shipped aids for tests: manual clock, contract suites, in-memory adapters."""
