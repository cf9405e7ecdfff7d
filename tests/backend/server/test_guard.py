# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask: by token, by name, by protocol."""

import pytest
from serving import assert_refused, serving_app

from sabi.backend.protocol import wire

TOKEN = "a-long-random-word"


@pytest.mark.parametrize(
    "given", [None, "", "Bearer wrong", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ü"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/health"), ("POST", "/v1/jobs"), ("PUT", f"/v1/maps/{'0' * 64}")]
)
def test_a_wrong_token_opens_nothing(networks, weather, tmp_path, given, method, path):
    with serving_app(networks, weather, tmp_path, TOKEN) as server:
        headers = {} if given is None else {"Authorization": given.encode()}
        assert_refused(server.request(method, path, headers=headers, content=b"x" * 100), 401, "unauthorized", "token")


def test_web_pages_are_kept_out_without_a_token(server):
    answer = server.post("/v1/weather", headers={"Origin": "https://example.org"}, content=b"")
    assert_refused(answer, 401, "unauthorized", "Web pages")


@pytest.mark.parametrize("host", ["example.org", "example.org:7224", "127.0.0.1.example.org", "192.168.1.5", "[::1"])
def test_names_that_were_made_to_lead_here_are_refused_without_a_token(server, host):
    assert_refused(server.get("/v1/health", headers={"Host": host}), 401, "unauthorized", host[:9].strip("["))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7224", "[::1]:7224"])
def test_this_machine_by_any_name_needs_no_token(server, host):
    assert server.get("/v1/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:7224", "render.example.org"])
def test_with_the_token_any_name_will_do(networks, weather, tmp_path, host):
    with serving_app(networks, weather, tmp_path, token=TOKEN) as server:
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": host}
        assert server.get("/v1/health", headers=headers).status_code == 200


@pytest.mark.parametrize("spoken", ["0", str(wire.PROTOCOL_VERSION + 1), "x"])
def test_another_protocol_is_refused(server, spoken):
    answer = server.get("/v1/health", headers={"Sabi-Protocol": spoken})
    assert_refused(answer, 409, "protocol_mismatch", f"protocol {spoken}")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/v1/nothing"), ("POST", "/v1/health"), ("GET", "/v2/health")]
)
def test_other_addresses(server, method, path):
    assert_refused(server.request(method, path), 404, "not_found")
