"""From a workflow file to a finished task.

`loading`: YAML to a frozen workflow, with every error at once. `running`: the durable function, its
plan and its steps. `commands`: a repository's own commands in the sandbox. Beside them stands what
both know: conditions, the graph of a frozen workflow, prompts.
"""
