"""Tests of the operations."""

import unittest

from .. import core


class CoreTest(unittest.TestCase):
    """Each operation on a pair of numbers."""

    def test_add(self) -> None:
        """Two and three make five."""
        self.assertEqual(core.add(2, 3), 5)

    def test_subtract(self) -> None:
        """Two from five leave three."""
        self.assertEqual(core.subtract(5, 2), 3)

    def test_multiply(self) -> None:
        """Two times three make six."""
        self.assertEqual(core.multiply(2, 3), 6)
