# SPDX-License-Identifier: GPL-3.0-or-later
"""Data, training, export and evaluation hang together, on a fraction of the data for a few seconds."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage

from sabi.backend.protocol.errors import NetworkError
from sabi.export_onnx import backbone, evaluation, export, losses, training
from sabi.export_onnx.critic import Adversary
from sabi.export_onnx.data import effects, textures
from sabi.export_onnx.data.batches import Plates
from sabi.export_onnx.networks import painter as painters
from sabi.export_onnx.networks.painter import Painter
from sabi.export_onnx.painting import Brush


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return textures.data_folder()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def one_style():
    """Two styles of one effect and one clean texture, instead of all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects, "TRAINING", {"rust": effects.TRAINING["rust"]})
        patch.setattr(effects, "CLEAN", effects.CLEAN[:1])
        yield


OPTIONS = training.Options(minutes=0.03, workers=1, size=128, crops=1)


@pytest.fixture(scope="module")
def run(folder, one_style, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run")
    training.train(OPTIONS, folder, out, log_every=1)
    return out


def test_plate_of_a_photograph(folder):
    photograph = effects.TRAINING["peeling_paint"][0]
    plate = textures.plate(photograph, folder / "textures" / photograph.folder)
    assert plate.photograph.shape == plate.base.shape == (textures.MAPS, textures.SIZE, textures.SIZE)
    assert 0.05 < plate.area.mean() < 0.3
    assert abs(plate.degrees.mean() - plate.area.mean()) < 0.01
    clean, weathered = plate.area[0] < 0.1, plate.area[0] > 0.9
    assert plate.photograph[2][clean].mean() > 2 * plate.photograph[2][weathered].mean()
    assert np.quantile(plate.base[2], 0.001) > 0.15  # blue everywhere: nothing of the rust is left
    assert plate.photograph[3][weathered].mean() > plate.photograph[3][clean].mean() + 0.2


@pytest.mark.parametrize("photograph", effects.TRAINING["scratches"], ids=lambda photograph: photograph.style)
def test_bare_metal_is_what_scratches_weather(folder, photograph):
    plate = textures.plate(photograph, folder / "textures" / photograph.folder)
    scratched = plate.area[0] > 0.9
    assert plate.photograph[4][scratched].mean() > 0.8
    assert plate.base[4].mean() < 0.2, "metal is left in the paint under the scratches"
    assert plate.photograph[:3, scratched].mean() > 0.5, "no bright metal"
    assert abs(plate.degrees.mean() - plate.area.mean() / photograph.full) < 0.02


def test_what_is_apart_differs_from_most_of_a_texture():
    """Hairlines too, lighter or darker, as far as their colour is away."""
    paint = np.full((textures.SIZE, textures.SIZE, 3), (0.6, 0.1, 0.1), np.float32)
    paint[:, 300] = 0.61, 0.11, 0.1
    paint[:, 7], paint[100] = 0.9, 0.1
    photograph = effects.Photograph("gouges", "", effects.Area.APART, apart=(5, 20))
    area = textures.weathered_area(photograph, {"albedo": paint}, 0)
    lines = np.zeros_like(area)
    lines[:, 7] = lines[100] = 1
    assert np.array_equal(area, lines)


@pytest.mark.parametrize("area", [effects.Area.NETWORK, effects.Area.HAIRLINES])
def test_drawn_cracks_are_thin_and_long(area):
    drawn = textures.cracked_area(area, seed=1) > 0.5
    assert 0.005 < drawn.mean() < 0.3
    widest = ndimage.distance_transform_edt(drawn).max()
    sizes = np.bincount(ndimage.label(drawn)[0].ravel())[1:]
    assert widest < 16
    assert sizes.max() > 4 * np.pi * widest**2, "no piece is longer than it is wide"
    assert (textures.cracked_area(area, seed=1) > 0.5).tolist() == drawn.tolist()


def test_every_photograph_says_where_it_comes_from(folder):
    (image,) = textures.provenance(folder, ["rust_on_steel/metal022"])
    assert image["licence"] == "CC0-1.0"
    assert "/" in image["source_repository"]
    assert len(image["sha256"]) == 64


def test_what_is_handed_on_is_kept_and_takes_the_colours_of_new_photographs(folder, one_style):
    torch.manual_seed(0)
    plates, model = Plates.of_textures(folder), training.Trainee(2)
    batch = plates.draw(0, 4, 128, np.random.default_rng(1))
    draw = lambda new: training.handed_losses(model, model, batch, OPTIONS, torch.Generator().manual_seed(0), new)  # noqa: E731
    assert draw(False)["kept"].item() < 1e-4
    assert draw(True)["kept"].item() > 0.05
    inside = batch.area > 0.7
    layer = training.in_colours_of(0.8 + 0.1 * torch.rand(4, 9, 128, 128), batch.photograph, inside)
    wanted = batch.photograph.transpose(0, 1)[:, inside[:, 0]].mean(1)
    torch.testing.assert_close(layer.mean((0, 2, 3)), wanted[[0, 1, 2, *range(6)]], atol=0.02, rtol=0)


def test_training_goes_on_from_an_exported_painter(run, folder, tmp_path):
    export.export_checkpoint(run / "checkpoint.pt", tmp_path / "painter.onnx")
    painter, codes, _ = training.trained(run / "checkpoint.pt")
    model = training.Trainee(len(effects.styles()))
    assert training.begin_from(model, tmp_path / "painter.onnx") == [0, 1]
    for name, weight in painter.state_dict().items():
        torch.testing.assert_close(model.painter.state_dict()[name], weight)
    torch.testing.assert_close(model.codes.weight[1], torch.tensor(codes["rust"]["flaking"]))
    start = str(tmp_path / "painter.onnx")
    options = training.Options(minutes=0.02, workers=1, size=128, crops=1, start=start, handed="rust", handing=0.5)
    made = torch.load(training.train(options, folder, tmp_path / "on"), weights_only=False)["made"]
    assert made["start"]["training"]["data_sha256"] == made["data_sha256"]
    assert {image["image"] for image in made["images"]} >= {"rust_on_steel/metal022", effects.CLEAN[0]}


def test_weights_that_are_equal_are_taken_up_too(tmp_path):
    """The exporter writes one of them."""
    painter = Painter()
    for weight in painter.parameters():
        torch.nn.init.constant_(weight, 0.01)
    export.export_painter(
        painter, export.painter_card({"rust": {"flaking": [0.1] * 16}}, {}, {}), tmp_path / "painter.onnx"
    )
    model = training.Trainee(len(effects.styles()))
    training.begin_from(model, tmp_path / "painter.onnx")
    for name, weight in painter.state_dict().items():
        torch.testing.assert_close(model.painter.state_dict()[name], weight, msg=name)


def test_a_new_style_begins_midway_between_those_its_effect_had(tmp_path, monkeypatch):
    photographs = [effects.Photograph(style, "f", effects.Area.MARKS) for style in ("carpet", "cushions", "tufts")]
    monkeypatch.setattr(effects, "TRAINING", {"moss": tuple(photographs)})
    codes = {"moss": {"carpet": [1.0] * 16, "tufts": [-0.5] * 16}}
    export.export_painter(Painter(), export.painter_card(codes, {}, {}), tmp_path / "painter.onnx")
    model = training.Trainee(3)
    assert training.begin_from(model, tmp_path / "painter.onnx") == [0, 2]
    torch.testing.assert_close(model.codes.weight[1], torch.full((16,), 0.25))


def test_training_logs_saves_and_goes_on(run, folder):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(name in lines[0] for name in ("feature", "patch", "shape", "layer", "calibration", "turning"))
    before = torch.load(run / "checkpoint.pt", weights_only=False)
    training.train(training.Options(minutes=before["minutes"] + 0.02, workers=1, size=128, crops=1), folder, run)
    after = torch.load(run / "checkpoint.pt", weights_only=False)
    assert after["step"] > before["step"]
    assert after["minutes"] > before["minutes"]
    assert after["made"]["data_sha256"] == before["made"]["data_sha256"]


def test_only_what_is_named_learns_and_what_weighs_nothing_is_not_found_out(run, folder, one_style, tmp_path):
    training.train(
        replace(
            OPTIONS,
            only="painter.heads.5,painter.sheer",
            feature=0,
            turning=0,
            rate=0.1,
            start=str(exported(run, tmp_path)),
        ),
        folder,
        tmp_path / "out",
        log_every=1,
    )
    before, after = (torch.load(out / "checkpoint.pt", weights_only=False) for out in (run, tmp_path / "out"))
    moved = {n for n, w in after["model"].items() if not torch.allclose(w, before["average"][n], atol=1e-5)}
    assert moved
    assert all(name.startswith(("painter.heads.5", "painter.sheer")) for name in moved)
    line = json.loads((tmp_path / "out" / "log.jsonl").read_text().splitlines()[0])
    assert not {"feature", "turning"} & set(line)


def exported(run: Path, tmp_path: Path) -> Path:
    painter, styles, made = training.trained(run / "checkpoint.pt")
    export.export_painter(painter, export.painter_card(styles, {}, made), tmp_path / "start.onnx")
    return tmp_path / "start.onnx"


def test_an_adversary_trains_beside_the_painter_and_goes_on(folder, one_style, tmp_path):
    options = training.Options(minutes=0.03, workers=1, size=128, crops=1, adversarial=0.05)
    path = training.train(options, folder, tmp_path, log_every=1)
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert all(np.isfinite(line[name]) for name in ("adversarial", "critic", "penalty"))
    assert line["critic"] == pytest.approx(2 * np.log(2), rel=0.5), "it begins without an opinion"
    kept = torch.load(path, weights_only=False)
    new = Adversary.against(2, options.rate)
    before = {name: weight.clone() for name, weight in new.critics.state_dict().items()}
    new.load(kept["adversary"])
    assert all(not torch.equal(weight, before[name]) for name, weight in new.critics.state_dict().items())


def test_checkpoint_becomes_a_brush(run, folder, tmp_path):
    export.export_checkpoint(run / "checkpoint.pt", tmp_path / "painter.onnx")
    brush = Brush(tmp_path / "painter.onnx")
    assert set(brush.card.styles["rust"]) == {"blooming", "flaking"}
    assert "rust" in brush.card.texels_per_feature
    assert evaluation.growth_figures(brush, 128)["shrinking_texels"] == 0
    placement = evaluation.placement_figures(brush, 128)
    assert placement["roll_difference"] <= 1
    assert placement["tile_difference"] <= 1


def test_a_layer_that_has_grown_changes_nothing_at_first_and_learns(tmp_path, monkeypatch):
    *coarse, half, full = painters.LEVELS
    side, inner, channels, modulated, names = half
    monkeypatch.setattr(painters, "LEVELS", (*coarse, (side, inner, (16, *channels[1:]), modulated, names), full))
    narrow = Painter().eval()
    export.export_painter(narrow, export.painter_card({"rust": {"flaking": [0.0] * 16}}, {}, {}), tmp_path / "p.onnx")
    monkeypatch.undo()
    model = training.Trainee(len(effects.styles()))
    training.begin_from(model, tmp_path / "p.onnx")
    inputs = painters.inputs_of(1, 64, 64)
    torch.testing.assert_close(model.painter.eval()(**inputs), narrow(**inputs))
    model.painter(**inputs).square().mean().backward()
    assert model.painter.levels[-2].convs[1].weight.grad[:, 16:].abs().amax() > 0


def test_a_painter_whose_weights_mean_something_else_is_not_gone_on_from(tmp_path):
    card = export.painter_card({"rust": {"flaking": [0.0] * 16}}, {}, {}, version="3.3")
    export.export_painter(Painter(), card, tmp_path / "old.onnx")
    with pytest.raises(NetworkError, match=r"3\.3") as refused:
        training.begin_from(training.Trainee(1), tmp_path / "old.onnx")
    assert "ships" in refused.value.hint


def test_all_of_a_step_lies_on_one_device(folder, one_style, monkeypatch):
    """`meta` stands for a GPU: it computes shapes alone, and refuses what lies elsewhere. Two losses need values: left out."""
    monkeypatch.setattr(backbone, "half", nullcontext)
    for name in ("layer_loss", "colour_loss"):
        monkeypatch.setattr(losses, name, lambda layer, *_: layer.sum())
    with torch.device("meta"):
        plates, model = Plates.of_textures(folder), training.Trainee(len(effects.styles()))
        batch = plates.draw(0, 1, 128, np.random.default_rng(0))
        adversary = Adversary.against(2, 1e-3)
        parts, theirs = training.step_losses(model, backbone.RawPatches(), batch, OPTIONS, None, 1, adversary)
    assert {value.device.type for value in (parts | theirs).values()} == {"meta"}
    assert set(theirs) == {"critic", "penalty"}
    assert {"adversarial", "feature", "patch", "shape", "calibration", "spectrum", "popping", "turning"} <= set(parts)


def test_a_style_is_asked_for_what_it_covers_where_it_is_whole(folder, one_style, monkeypatch):
    class Nothing:
        card = SimpleNamespace(styles={"rust": {"blooming": []}})
        style = noise = lambda *_: None

        def paint(self, base, exposure, style, noise):
            return base.new_ones(1, 11, *base.shape[2:])

    asked = []
    for full in (1.0, 0.5):
        blooming = replace(effects.TRAINING["rust"][0], full=full)
        plate = textures.plate(blooming, folder / "textures" / blooming.folder)
        monkeypatch.setattr(textures, "plate", lambda *_, plate=plate: replace(plate, degrees=0 * plate.degrees + 0.8))
        monkeypatch.setattr(effects, "TRAINING", {"rust": (blooming,)})
        asked += [made.asked.mean().item() for made in evaluation.composites(Nothing(), folder, "rust", 1)]
        monkeypatch.undo()
    assert asked == pytest.approx([0.8, 0.4])
