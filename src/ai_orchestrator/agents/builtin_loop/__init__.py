"""The built-in agent: a tool loop over any model endpoint. Standard library only; starts fast."""
