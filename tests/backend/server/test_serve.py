# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as a process of its own: what it refuses to start with, and TLS."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sabi.backend.protocol.client import Client
from sabi.backend.protocol.errors import BackendError
from sabi.backend.server import serve as serving

# for localhost, valid for a hundred years, and worth nothing
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUAvGcRXBoFNOI3JZj5OgZrTmhz3owCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMDA5NTU0MVoYDzIxMjYxMDI3
MDk1NTQxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQcqTm/qGoBooLs0lLRdLrlr6eSYqlgHEfrJURHIzjdCG7cxF8TBubo
AePeVNpuqqaNZN1QWy9xswFDCgLboCvRo28wbTAdBgNVHQ4EFgQUKoQ9shsgHxoW
9I0pYO7Ps++6LbswHwYDVR0jBBgwFoAUKoQ9shsgHxoW9I0pYO7Ps++6LbswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAK9xXdU44Vkznxd9p0GODGZr+e8Z/QY09klJIcSeMkNjAiBS
ZpaieqmUhkk9N2uZRcJxR+MoUdj2/uMkK2Joyi9jMg==
-----END CERTIFICATE-----
"""
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDJW45pf9LwvPjtXX
R2SA/7XIKMw2wcNdPlJBIcrf13mhRANCAAQcqTm/qGoBooLs0lLRdLrlr6eSYqlg
HEfrJURHIzjdCG7cxF8TBuboAePeVNpuqqaNZN1QWy9xswFDCgLboCvR
-----END PRIVATE KEY-----
"""


@pytest.fixture
def tls(tmp_path) -> dict[str, Path]:
    files = {"tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}
    files["tls_cert"].write_text(CERTIFICATE)
    files["tls_key"].write_text(KEY)
    return files


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BackendError, match=f"Port {port} is taken") as caught:
            serving.serve("127.0.0.1", port)
    assert "another port" in caught.value.hint


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "render-node"])
def test_nobody_binds_to_the_world_without_a_token(host, monkeypatch):
    monkeypatch.delenv("SABI_TOKEN", raising=False)
    with pytest.raises(BackendError, match="Without a token"):
        serving.serve(host, 0)
    serving.check_open(host, "a-long-random-word")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.5.5.5", "localhost", "::1"])
def test_loopback_needs_none(host):
    serving.check_open(host, "")


def test_tls_files_that_are_no_good(tmp_path):
    with pytest.raises(BackendError, match="both"):
        serving.serve(port=0, tls_cert=tmp_path / "cert.pem")
    with pytest.raises(BackendError, match="missing"):
        serving.serve(port=0, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("not a certificate")
    with pytest.raises(BackendError, match="cannot be used"):
        serving.serve(port=0, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")


def test_tls(tls, networks_folder, monkeypatch):
    """Trusted by those who have the certificate, and by nobody else; the token is asked for all the same."""
    program = f"""
from sabi.backend.server.serve import announce, serve
serve(port=0, token="word", device="cpu", folder={str(networks_folder)!r}, listening=announce, watch_stdin=True,
      tls_cert={str(tls["tls_cert"])!r}, tls_key={str(tls["tls_key"])!r})
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as process:
        port = json.loads(process.stdout.readline())["port"]
        client = Client(f"https://localhost:{port}", "word")
        with pytest.raises(BackendError, match="No secure connection") as caught:
            client.health()
        assert "certificate" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(tls["tls_cert"]))
        assert client.health()["networks"]
        with pytest.raises(BackendError):
            Client(f"http://localhost:{port}", "word", timeout=2).health()
        process.stdin.close()
    assert process.returncode == 0
