"""Ports that nobody else uses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.workspace.port_range import PortClaims, port_variables


def test_two_owners_never_share_a_port(tmp_path: Path) -> None:
    """Whichever process claims for them."""
    first = PortClaims(tmp_path).claim("one", 3)
    second = PortClaims(tmp_path).claim("two", 3)
    assert len({*first, *second}) == 6


def test_an_owner_keeps_its_ports(tmp_path: Path) -> None:
    """After a kill the attempt finds the same ones."""
    first = PortClaims(tmp_path).claim("one", 3)
    assert PortClaims(tmp_path).claim("one", 3) == first


def test_a_port_in_use_is_passed_over(tmp_path: Path) -> None:
    """The claim moves on to the next range."""
    claims = PortClaims(tmp_path)
    taken = claims.claim("one", 3)
    claims.release("one")
    with socket.socket() as server:
        server.bind(("127.0.0.1", taken[1]))
        server.listen()
        assert not {*claims.claim("two", 3)} & {*taken}


def test_released_ports_can_be_claimed_again(tmp_path: Path) -> None:
    """By anybody."""
    claims = PortClaims(tmp_path)
    first = claims.claim("one", 2)
    claims.release("one")
    claims.release("one")
    assert claims.claim("two", 2) == first


def test_claims_of_tasks_that_are_gone_are_dropped(tmp_path: Path) -> None:
    """Others keep theirs."""
    claims = PortClaims(tmp_path)
    gone, kept = claims.claim("gone", 1), claims.claim("kept", 1)
    claims.keep_only({"kept"})
    assert claims.claim("new", 1) == gone
    assert claims.claim("kept", 1) == kept


def test_no_ports_need_no_claim(tmp_path: Path) -> None:
    """And more than a range has are refused."""
    assert PortClaims(tmp_path / "none").claim("one", 0) == ()
    assert not (tmp_path / "none").exists()
    with pytest.raises(BadInputError):
        PortClaims(tmp_path).claim("one", 21)


def test_the_variables_number_the_ports() -> None:
    """PORT is the first."""
    assert port_variables((20_000, 20_001)) == {
        "PORT": "20000",
        "PORT_0": "20000",
        "PORT_1": "20001",
    }
    assert port_variables(()) == {}
