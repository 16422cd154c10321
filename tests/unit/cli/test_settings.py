"""A server's settings are true from birth."""

from __future__ import annotations

from pathlib import Path

import pytest

from mano.settings import AuthMode, Limits, Listener, Settings


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9890", "127.0.0.1", 9890), ("[::1]:0", "::1", 0), ("localhost:80", "localhost", 80)],
)
def test_a_listener_is_read_and_written(text: str, host: str, port: int) -> None:
    listener = Listener.parse(text)
    assert (listener.host, listener.port) == (host, port)
    assert str(listener) == text and listener.is_loopback


@pytest.mark.parametrize("text", ["", "9890", ":9890", "host:", "host:-1", "host:65536", "host:x", "::1:9890", "h:٣"])
def test_a_listener_that_is_none_says_why(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Listener.parse(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "mano.example.com", "::"])
def test_what_others_reach_is_no_loopback_and_needs_authentication(host: str, tmp_path: Path) -> None:
    assert not Listener(host).is_loopback
    with pytest.raises(ValueError, match="--auth none"):
        Settings(tmp_path, listen=Listener(host), auth=AuthMode.NONE)
    assert Settings(tmp_path, listen=Listener("127.0.0.1"), auth=AuthMode.NONE).auth is AuthMode.NONE


@pytest.mark.parametrize("lab", ["", "toolonglab", "UPPER", "a-b", "a/b", "..", "123", "ä"])
def test_a_lab_is_a_short_word(lab: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lab"):
        Settings(tmp_path, lab=lab)


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="json_body"):
        Limits(json_body=0)
