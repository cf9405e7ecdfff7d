# SPDX-License-Identifier: GPL-3.0-or-later
import importlib.metadata
import json

import numpy as np
import pytest

import sabi
from sabi.backend import doctor
from sabi.backend.networks import device as devices
from sabi.backend.networks import session
from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.wire import PROTOCOL_VERSION


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch):
    for name in ("SABI_DEVICE", "SABI_THREADS", "SABI_NETWORKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(devices, "_runtimes", lambda: ["onnxruntime"])
    monkeypatch.setattr(devices, "_has_nvidia_driver", lambda: True)


def test_says_what_runs(networks_folder, tmp_path):
    networks = Networks.load(device="cpu", threads=2, folder=networks_folder)
    report = doctor.report(networks, tmp_path)
    assert json.loads(json.dumps(report)) == report
    assert (report["sabi"], report["protocol"]) == (sabi.__version__, PROTOCOL_VERSION)
    assert report["networks"][0]["sha256"] == networks.hashes["painter"]
    assert report["networks"][0]["card"]["multiple"] == 32
    assert report["device"]["asked"] == "cpu"
    assert report["device"]["threads"] == 2
    assert report["device"]["used"] is None
    assert report["disk"]["spool"] == str(tmp_path)
    assert doctor.report(networks, probe=True)["device"]["used"] == "cpu"


def test_says_which_wheels_won():
    numpy = doctor.packages()["numpy"]
    assert numpy["version"] == f"numpy {importlib.metadata.version('numpy')}"
    assert np.__file__.startswith(numpy["folder"])


@pytest.mark.parametrize("probe", [False, True])
def test_says_why_not_the_gpu_and_what_to_install(networks_folder, no_gpu, monkeypatch, probe):
    monkeypatch.setattr(doctor, "GPUS", (devices.Device.CUDA,))
    monkeypatch.setattr(session, "GPUS", (devices.Device.CUDA,))
    device = doctor.report(Networks.load(folder=networks_folder), probe=probe)["device"]
    assert device["used"] == ("cpu" if probe else None)
    assert "built without it" in device["reasons"][0]
    assert "sabi-weathering[gpu]" in device["hint"]


def test_a_device_that_fails_is_reported_not_raised(networks_folder, no_gpu):
    device = doctor.report(Networks.load(device="cuda", folder=networks_folder), probe=True)["device"]
    assert (device["asked"], device["used"]) == ("cuda", None)
    assert device["reasons"]
    assert device["hint"]


def test_nobody_who_asks_for_the_cpu_is_told_to_install_a_gpu(networks_folder):
    device = doctor.report(Networks.load(device="cpu", folder=networks_folder), probe=True)["device"]
    assert device["reasons"] == []
    assert device["hint"] == ""


def test_bad_networks_are_listed(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    (problem,) = doctor.report(Networks.load(folder=tmp_path))["problems"]
    assert problem["code"] == "network"
    assert "bad.onnx" in problem["message"]
