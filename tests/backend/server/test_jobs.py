# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from outside: cancelled, attended, waiting, failed, forgotten."""

import json
import threading
import time

from serving import assert_refused, describe, events, serving_app, submit, surface

from sabi.backend.protocol.errors import BadSurface


def test_a_job_is_cancelled_between_tiles(server, weather):
    weather.gate.clear()
    job = submit(server)
    assert weather.begun.wait(5)
    assert server.delete(f"/v1/jobs/{job}").status_code == 200
    assert events(server, job)[-1][0] == "cancelled"
    assert_refused(server.get(f"/v1/jobs/{job}/result"), 409, "cancelled")
    weather.gate.set()
    assert events(server, submit(server))[-1][0] == "done"


def test_a_waiting_job_is_cancelled_too(server, weather):
    weather.gate.clear()
    first, second = submit(server), submit(server)
    server.delete(f"/v1/jobs/{second}")
    weather.gate.set()
    assert events(server, second)[-1][0] == "cancelled"
    assert events(server, first)[-1][0] == "done"
    assert len(weather.given) == 1


def test_an_attended_job_ends_when_nobody_follows_it(networks, weather, tmp_path):
    """Whoever asked for it was killed, or the network is gone."""
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, unattended=0.1) as server:
        job = submit(server, query="?attended=1")
        assert weather.begun.wait(5)
        deadline = time.monotonic() + 10
        while server.get("/v1/health").json()["jobs"]["unfinished"] and time.monotonic() < deadline:
            time.sleep(0.02)
        now = server.get(f"/v1/jobs/{job}").json()
        assert now["state"] == "cancelled"
        assert now["error"]["message"] == "Nobody followed the job any more."


def test_an_attended_job_that_waits_and_is_not_followed_never_begins(networks, weather, tmp_path):
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, unattended=0.1) as server:
        first, second = submit(server), submit(server, query="?attended=1")
        time.sleep(0.3)
        weather.gate.set()
        assert events(server, first)[-1][0] == "done"
        assert events(server, second)[-1][0] == "cancelled"
        assert len(weather.given) == 1


def test_a_job_is_left_alone_while_it_is_followed_or_was_not_to_be_attended(networks, weather, tmp_path):
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, unattended=0.1) as server:
        for query, followed in (("?attended=1", True), ("", False)):
            job = submit(server, query=query)
            following = threading.Thread(target=events, args=(server, job))
            if followed:
                following.start()
            time.sleep(0.5)
            assert server.get(f"/v1/jobs/{job}").json()["state"] != "cancelled"
            weather.gate.set()
            if followed:
                following.join()
            assert events(server, job)[-1][0] == "done"
            weather.gate.clear()
        weather.gate.set()


def test_the_queue_is_bounded(networks, weather, tmp_path):
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, waiting=2) as server:
        submit(server)
        assert weather.begun.wait(5)
        submit(server)
        submit(server)
        answer = server.post("/v1/jobs", content=describe(surface()))
        assert_refused(answer, 429, "busy", "2 jobs waiting")
        weather.gate.set()


def test_a_result_that_is_not_there_yet(server, weather):
    weather.gate.clear()
    job = submit(server)
    assert_refused(server.get(f"/v1/jobs/{job}/result"), 429, "busy", "not done")
    assert server.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running")


def test_results_expire(networks, weather, tmp_path):
    with serving_app(networks, weather, tmp_path, keep_result=0.1) as server:
        job = submit(server)
        events(server, job)
        deadline = time.monotonic() + 5
        while server.get(f"/v1/jobs/{job}").status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert_refused(server.get(f"/v1/jobs/{job}/result"), 404, "not_found")


def test_a_job_that_fails_says_why(server, weather):
    weather.fail = BadSurface("The map is upside down.", "Turn it.")
    job = submit(server)
    kind, now = events(server, job)[-1]
    assert kind == "failed"
    assert now["error"] == {"code": "bad_surface", "message": "The map is upside down.", "hint": "Turn it."}
    assert_refused(server.get(f"/v1/jobs/{job}/result"), 422, "bad_surface")


def test_what_nobody_foresaw_is_no_traceback_and_not_the_end(server, weather):
    weather.fail = ZeroDivisionError("secret path /home/artist")
    job = submit(server)
    _, now = events(server, job)[-1]
    assert now["error"]["code"] == "sabi"
    assert "secret" not in json.dumps(now)
    weather.fail = None
    assert events(server, submit(server))[-1][0] == "done"


def test_memory_and_disk_that_run_out_have_their_own_codes(server, weather):
    for failure, code in ((MemoryError(), "out_of_memory"), (OSError(28, "No space left"), "disk_full")):
        weather.fail = failure
        assert events(server, submit(server))[-1][1]["error"]["code"] == code


# What hostile or broken callers send


def test_jobs_that_do_not_exist(server):
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/result"), ("DELETE", "")):
        assert_refused(server.request(method, f"/v1/jobs/nothing{path}"), 404, "not_found")
