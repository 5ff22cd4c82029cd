"""Findings, verdicts and the stop rule: pure decisions about whether work is done."""
