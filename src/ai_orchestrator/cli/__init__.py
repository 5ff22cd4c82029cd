"""The command line: parses, calls the backend, prints. No decisions."""
