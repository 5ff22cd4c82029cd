"""The operations."""


def add(first: float, second: float) -> float:
    """The sum of both."""
    return first + second


def subtract(first: float, second: float) -> float:
    """What is left of `first` without `second`."""
    return first - second


def multiply(first: float, second: float) -> float:
    """The product of both."""
    return first * second
