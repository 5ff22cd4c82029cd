"""One function per use case: all that a user can ask for, whatever the interface."""
