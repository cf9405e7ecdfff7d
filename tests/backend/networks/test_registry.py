# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib
import shutil

import pytest

from sabi.backend.networks.device import Device
from sabi.backend.networks.registry import FOLDER, MAX_OPSET, Networks, examine
from sabi.backend.protocol.errors import DeviceError, NetworkError, UnknownNetwork
from sabi.backend.protocol.recipe import Effect, Layer, Recipe


def recipe(**networks: str) -> Recipe:
    return Recipe((Layer(Effect.RUST),), networks=networks)


def test_the_painter_that_ships_is_good():
    """NETWORKS.md, rules for every network: opset, size, card; every effect has a style and a scale."""
    network = examine(FOLDER / "painter.onnx")
    assert network.path.stat().st_size <= 16 << 20
    assert network.sha256 == hashlib.sha256(network.path.read_bytes()).hexdigest()
    assert set(network.card.styles) >= {effect.value for effect in Effect}
    assert set(network.card.texels_per_feature) >= {effect.value for effect in Effect}
    assert Networks.load(device="cpu").painter.device is Device.CPU


def test_nothing_is_loaded_before_it_is_used(networks_folder):
    networks = Networks.load(device="cpu", folder=networks_folder, threads=1)
    assert networks.device is None
    assert networks.loaded() == {}
    painter = networks.painter
    assert networks.painter is painter
    assert networks.device is Device.CPU
    networks.release()
    assert networks.loaded() == {}
    assert networks.painter is not painter


def test_the_environment_names_the_folder(networks_folder, monkeypatch):
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))
    assert [network.path.parent for network in Networks.load().found] == [networks_folder]


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"", "damaged"),
        (b"<html>404 not found</html>", "damaged"),
        ("cut", "damaged"),
        ("no card", "not a network of Sabi's"),
        ("opset", f"opset {MAX_OPSET + 1}"),
        ("card", "card cannot be read"),
        ("later", "another version of Sabi"),
        ("overlap", "multiple and overlap"),
        ("noise", "noise"),
    ],
)
def test_a_corrupt_or_foreign_file_gets_one_clear_sentence(tmp_path, make_painter, contents, said):
    path = tmp_path / "painter.onnx"
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    elif contents == "opset":
        make_painter(path, opset=MAX_OPSET + 1)
    elif contents == "overlap":
        make_painter(path, overlap=33)
    elif contents == "noise":
        make_painter(path, noise={"noise_2": (3, 4)})
    else:
        good = make_painter(path).read_bytes()
        change = {
            "cut": lambda: good[:-40],
            "no card": lambda: good.replace(b"sabi.card", b"some.card"),
            "card": lambda: good.replace(b'"multiple"', b'"multiplx"'),
            "later": lambda: good.replace(b'"sabi_card": 1', b'"sabi_card": 7'),
        }[contents]
        path.write_bytes(change())
        assert path.read_bytes() != good
    networks = Networks.load(folder=tmp_path)
    assert networks.found == ()
    (problem,) = networks.problems
    assert isinstance(problem, NetworkError)
    assert said in problem.message
    assert "painter.onnx" in problem.message
    assert problem.hint
    with pytest.raises(NetworkError, match="no network 'painter'") as caught:
        networks.painter  # noqa: B018
    assert problem.message in caught.value.message


def test_one_bad_file_does_not_spoil_the_others(tmp_path, networks_folder):
    shutil.copy(networks_folder / "painter.onnx", tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    networks = Networks.load(device="cpu", folder=tmp_path, threads=1)
    assert len(networks.problems) == 1
    assert networks.painter.name == "good.onnx"


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(NetworkError, match="no network 'painter'"):
        Networks.load(folder=tmp_path).painter  # noqa: B018


def test_the_newest_of_a_name_is_used_and_a_recipe_may_name_an_older(tmp_path, make_painter):
    old = examine(make_painter(tmp_path / "b.onnx", version="1.9", seed=1))
    new = examine(make_painter(tmp_path / "a.onnx", version="1.10", seed=2))
    networks = Networks.load(device="cpu", folder=tmp_path, threads=1)
    assert networks.hashes == {"painter": new.sha256}
    assert networks.painter.name == "a.onnx"
    pinned = networks.for_recipe(recipe(painter=old.sha256))
    assert pinned.painter.name == "b.onnx"
    assert pinned.hashes == {"painter": old.sha256}
    assert set(networks.loaded()) == {old.sha256, new.sha256}
    assert networks.for_recipe(recipe()).painter is networks.painter


def test_a_recipe_made_with_a_network_that_is_gone_is_offered_the_successor(networks_folder):
    networks = Networks.load(folder=networks_folder)
    with pytest.raises(UnknownNetwork) as caught:
        networks.for_recipe(recipe(painter="0" * 64))
    here = networks.hashes["painter"]
    assert caught.value.successor == here
    assert "000000000000" in caught.value.message
    assert here[:12] in caught.value.hint
    assert "0.1" in caught.value.hint


def test_a_recipe_made_with_a_network_that_nobody_succeeds(networks_folder):
    with pytest.raises(UnknownNetwork, match="'harmonizer'") as caught:
        Networks.load(folder=networks_folder).for_recipe(recipe(harmonizer="0" * 64))
    assert caught.value.successor == ""


def test_a_file_that_changes_while_sabi_runs_is_noticed(tmp_path, make_painter):
    path = make_painter(tmp_path / "painter.onnx")
    networks = Networks.load(device="cpu", folder=tmp_path)
    make_painter(path, seed=5)
    with pytest.raises(NetworkError, match="changed while Sabi was running"):
        networks.painter  # noqa: B018


def test_why_a_device_does_not_run_is_kept(networks_folder, monkeypatch):
    monkeypatch.delenv("SABI_DEVICE", raising=False)
    absent = "directml" if Networks.load().options.device.value != "directml" else "coreml"
    networks = Networks.load(device=absent, folder=networks_folder)
    with pytest.raises(DeviceError):
        networks.painter  # noqa: B018
    assert networks.device is None
    assert absent in networks.reasons[0]


def test_an_unknown_device_is_refused_at_once(monkeypatch):
    monkeypatch.delenv("SABI_DEVICE", raising=False)
    with pytest.raises(DeviceError, match="'gpu' is not a device"):
        Networks.load(device="gpu")
