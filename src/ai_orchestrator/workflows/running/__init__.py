"""A frozen workflow, carried out: the plan decides, the steps act, the journal remembers."""
