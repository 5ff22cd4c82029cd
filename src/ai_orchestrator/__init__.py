"""AI Agents Orchestrator: runs coding agents on git repositories, durably."""

__version__ = "0.1.0"
