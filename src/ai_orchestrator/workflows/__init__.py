"""From a workflow file to a finished task: spec, plan and the durable function."""
