"""Ports: claimed in blocks, never shared, and refused where somebody listens."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from serve.deployments import environment, ports
from zoo.errors import ConfigError


def test_two_claims_never_share_a_port_and_an_ended_one_is_free_again():
    first, second = ports.claim(), ports.claim()
    try:
        mine, theirs = ({int(port) for port in c.block.settings().values()} | {c.block.health} for c in (first, second))
        assert not mine & theirs
        assert len(mine) == 9
    finally:
        first.release()
        second.release()
    again = ports.claim()
    again.release()
    assert again.block.first <= second.block.first


def test_a_claimed_block_whose_port_somebody_uses_is_passed_over():
    probe = ports.claim()
    probe.release()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", probe.block.health))
        taken.listen(1)
        next_one = ports.claim()
        next_one.release()
    assert next_one.block != probe.block


def test_a_taken_port_is_refused_though_its_holder_would_share_it(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = int(taken.getsockname()[1])
        monkeypatch.setattr(ports, "who", lambda url: "")
        for ask in (ports.insist_free, ports.check_free):
            with pytest.raises(ConfigError, match=f"port {port} must be free"):
                ask("127.0.0.1", port)
    ports.insist_free("127.0.0.1", port)
    try:
        # Two that start at once both find the port free: the second one is told all the same.
        code = f"from serve.deployments.ports import insist_free; insist_free('127.0.0.1', {port})"
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert ended.returncode == 1
        assert "must be free" in ended.stderr
    finally:
        ports.release(port)


def test_a_child_process_does_not_take_its_parents_endpoint_for_its_own(monkeypatch: pytest.MonkeyPatch):
    told = {"pid": os.getpid() + 1, "set": {"ZOO_SERVE_INSTANCE": "theirs", "RAY_SERVE_HAPROXY_STATS_PORT": "1"}}
    monkeypatch.setenv("ZOO_SERVE_SET", json.dumps(told))
    monkeypatch.setenv("ZOO_SERVE_INSTANCE", "theirs")
    monkeypatch.setenv("RAY_SERVE_HAPROXY_STATS_PORT", "2")  # the user's own: it stays
    environment._forget_parents()
    assert "ZOO_SERVE_INSTANCE" not in os.environ
    assert os.environ["RAY_SERVE_HAPROXY_STATS_PORT"] == "2"
    assert "ZOO_SERVE_SET" not in os.environ
