"""The structs of the API, the events and --json; ids, states and exit codes. No I/O."""
