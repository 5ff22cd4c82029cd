"""Git outside the agent's reach: mirrors, task repositories, trees, commits, diffs."""
