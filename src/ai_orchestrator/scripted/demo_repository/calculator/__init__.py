"""Arithmetic on two numbers."""
