"""What everything stands on: errors, clock, processes, sandbox. Imports nothing of ours."""
