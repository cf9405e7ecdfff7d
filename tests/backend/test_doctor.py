# SPDX-License-Identifier: GPL-3.0-or-later
import importlib.metadata
import json
import tempfile

import numpy as np
import pytest

import sabi
from sabi.backend import doctor
from sabi.backend.networks import device as devices
from sabi.backend.networks import session
from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.errors import DeviceError
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
    networks["painter"]
    assert doctor.report(networks)["device"]["used"] == "cpu"


def test_says_where_temporary_files_go(networks_folder, monkeypatch, tmp_path):
    monkeypatch.delenv("SABI_SPOOL", raising=False)
    networks = Networks.load(folder=networks_folder)
    assert doctor.report(networks)["disk"]["spool"] == tempfile.gettempdir()
    monkeypatch.setenv("SABI_SPOOL", str(tmp_path))
    assert doctor.report(networks)["disk"]["spool"] == str(tmp_path)


def test_says_which_wheels_won():
    numpy = doctor.packages()["numpy"]
    assert numpy["version"] == f"numpy {importlib.metadata.version('numpy')}"
    assert np.__file__.startswith(numpy["folder"])


@pytest.mark.parametrize("loaded", [False, True])
def test_says_why_not_the_gpu_and_what_to_install(networks_folder, no_gpu, monkeypatch, loaded):
    monkeypatch.setattr(doctor, "GPUS", (devices.Device.CUDA,))
    monkeypatch.setattr(session, "GPUS", (devices.Device.CUDA,))
    networks = Networks.load(folder=networks_folder)
    if loaded:
        networks["painter"]
    device = doctor.report(networks)["device"]
    assert device["used"] == ("cpu" if loaded else None)
    assert "built without it" in device["reasons"][0]
    assert "sabi-weathering[gpu]" in device["hint"]


def test_a_device_that_fails_is_reported_not_raised(networks_folder, no_gpu):
    networks = Networks.load(device="cuda", folder=networks_folder)
    with pytest.raises(DeviceError):
        networks["painter"]
    device = doctor.report(networks)["device"]
    assert (device["asked"], device["used"]) == ("cuda", None)
    assert device["reasons"]
    assert device["hint"]


def test_nobody_who_asks_for_the_cpu_is_told_to_install_a_gpu(networks_folder):
    networks = Networks.load(device="cpu", folder=networks_folder)
    networks["painter"]
    device = doctor.report(networks)["device"]
    assert device["reasons"] == []
    assert device["hint"] == ""


def test_bad_networks_are_listed(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    (problem,) = doctor.report(Networks.load(folder=tmp_path))["problems"]
    assert problem["code"] == "network"
    assert "bad.onnx" in problem["message"]
