# SPDX-License-Identifier: GPL-3.0-or-later
"""The shading network's data, training, export and evaluation hang together, on a few small pictures."""

import json

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from sabi.backend.networks.card import CARD_KEY, Card
from sabi.backend.weathering.delight import exposure
from sabi.export_onnx.data import scenes, textures
from sabi.export_onnx.data.materials import Split
from sabi.export_onnx.export import ExportError
from sabi.export_onnx.shading import baselines, commands, evaluation, export, losses, renders, training
from sabi.export_onnx.shading.batches import Crops, as_taken, batch_of, cropped, recoloured, relit
from sabi.export_onnx.shading.flats import draw_flat, read_flats
from sabi.export_onnx.shading.network import ShadingNetwork
from sabi.export_onnx.shading.pictures import Pair

CLASSES = ("wood_clean", "stone_clean", "metal_clean", "brick_clean")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight made-up textures of four kinds, two of them with heights, and a model and a light by name."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    rows = ["id,class,weathered,width,height,maps,source_repository,source_path,licence"]
    for number in range(8):
        name = f"{CLASSES[number % 4]}/t{number}"
        (folder / "textures" / name).mkdir(parents=True)
        coarse = Image.fromarray(rng.integers(30, 220, (40, 40, 3), dtype=np.uint8))
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(folder / "textures" / name / "albedo.jpg", quality=95)
        if number < 2:
            coarse.convert("L").resize((256, 256)).save(folder / "textures" / name / "height.png")
        rows.append(f"{name},{CLASSES[number % 4]},0,256,256,albedo,maker{number // 4}/set,a.jpg,CC0-1.0")
    (folder / "textures" / "manifest.csv").write_text("\n".join(rows) + "\n")
    (folder / "assets" / "chair").mkdir(parents=True)
    (folder / "hdri").mkdir()
    (folder / "hdri" / "noon.hdr").touch()
    return folder


@pytest.fixture(scope="module")
def rendered(folder, tmp_path_factory):
    """What a renderer would have written, made of flat textures, with a corner of which nothing is known."""
    out = tmp_path_factory.mktemp("rendered")
    for split, count in ((Split.TRAIN, 4), (Split.HELD, 3)):
        (out / split.value).mkdir()
        flats = read_flats(folder, split)
        for number in range(count):
            pair = draw_flat(flats, np.random.default_rng((9, number)), 64)
            known = pair.known.copy()
            known[:20, :20] = False
            kept = Pair(pair.image, pair.albedo, pair.residual, known)
            with open(out / split.value / f"{number:05d}.npz", "wb") as file:
                np.savez_compressed(file, **{name: renders.half(values) for name, values in vars(kept).items()})
    return out


@pytest.fixture(scope="module")
def run(folder, rendered, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    training.train(training.Options(steps=16, size=64, pairs=2, threads=1), folder, rendered, out, log_every=1)
    return out


def test_what_is_not_trained_leaves_the_picture_as_it_is():
    image = export.input_of(2, 64, 96)
    inverse, share = ShadingNetwork().eval()(image)
    assert torch.allclose(inverse, torch.full_like(image, 0.5))
    assert 0 < float(share.detach().max()) < 0.02


@pytest.mark.parametrize("seed", range(6))
def test_a_flat_texture_is_known_exactly(folder, seed):
    pair = draw_flat(read_flats(folder, Split.TRAIN), np.random.default_rng(seed), 64)
    assert pair.image.shape == (2, 64, 64, 3)
    assert np.array_equal(pair.albedo[0], pair.albedo[1])
    assert pair.albedo * pair.shading() + pair.residual == pytest.approx(pair.image, abs=1e-4)
    assert pair.shading().min() > 0
    assert evaluation.si_mse(pair.image[0], pair.image[1], pair.known) > 1e-3, "two lights"


def test_passes_become_albedo_shading_and_residual():
    """A matte wall, a glossy one and a metal one, under light that is known."""
    light, mirrored = np.full((16, 24, 3), 2.0), np.full((16, 24, 3), 5.0)
    diffuse, glossy = np.zeros((2, 16, 24, 3))
    diffuse[:, :8], glossy[:, :8] = 0.5, 0.0
    diffuse[:, 8:16], glossy[:, 8:16] = 0.5, 0.04
    diffuse[:, 16:], glossy[:, 16:] = 0.0, 0.8
    none = np.zeros((16, 24, 3))
    shot = {
        "combined": diffuse * light + glossy * mirrored,
        "diffuse_colour": diffuse,
        "glossy_colour": glossy,
        "glossy_direct": mirrored / 2,
        "glossy_indirect": mirrored / 2,
        "transmission_colour": none,
        "solid": np.ones((16, 24), bool),
    }
    clear = {**shot, "transmission_colour": none + np.array([[0.9]] * 16)[..., None]}
    pair = renders.pair_of([shot, shot])
    albedo, shading, residual = pair.albedo[0, 8], pair.shading()[0, 8], pair.residual[0, 8]
    assert (albedo[4, 0], shading[4, 0], residual[4, 0]) == pytest.approx((0.5, 2, 0))
    assert (albedo[12, 0], residual[12, 0]) == pytest.approx((0.503, 0.185), abs=1e-3)
    assert albedo[12] * shading[12] + residual[12] == pytest.approx(shot["combined"][8, 12])
    assert (albedo[20, 0], shading[20, 0], residual[20, 0]) == pytest.approx((0.8, 5, 0))
    assert pair.known.all()
    assert not renders.pair_of([clear, clear]).known.any()


def test_batches_keep_pairs_together_and_exposed(folder, rendered):
    batch = Crops(folder, rendered, Split.TRAIN).draw(4, 64, np.random.default_rng(0))
    assert batch.image.shape == batch.albedo.shape == (8, 3, 64, 64)
    assert torch.equal(batch.albedo[0::2], batch.albedo[1::2])
    assert not torch.equal(batch.image[0::2], batch.image[1::2])
    for image in batch.image.numpy().transpose(0, 2, 3, 1):
        assert exposure(image) == pytest.approx(1, rel=1e-3)
    whole = batch.albedo * batch.shading + batch.image * batch.share
    assert whole.numpy() == pytest.approx(batch.image.numpy(), rel=0.3, abs=1e-2), "but for grain"
    assert batch.known[:2].mean() < 1 == batch.known[2:4].mean(), "scenes and textures in turns"


@pytest.mark.parametrize("seed", range(4))
def test_other_lights_and_colours_are_as_exact(rendered, seed):
    given = renders.read(renders.pairs_in(rendered, Split.TRAIN)[0])
    pair = recoloured(
        relit(cropped(given, 64, np.random.default_rng(seed)), np.random.default_rng(seed)), np.random.default_rng(seed)
    )
    known, whole = pair.known, pair.albedo * pair.shading() + pair.residual
    assert whole[:, known] == pytest.approx(pair.image[:, known], rel=0.01, abs=1e-3)
    assert np.array_equal(pair.albedo[0], pair.albedo[1])
    assert known.mean() == given.known.mean()
    assert (pair.image[:, ~known].max((1, 2)) < 30 * pair.image[:, known].mean((1, 2))).all(), (
        "what is unknown stays in range"
    )


def test_the_true_answer_costs_nothing(folder):
    flats = read_flats(folder, Split.TRAIN)
    pairs = [draw_flat(flats, np.random.default_rng(seed), 64) for seed in (0, 3)]
    batch = batch_of([Pair(p.albedo * p.shading(), p.albedo, 0 * p.residual, p.known) for p in pairs])
    true = torch.log(batch.shading)
    none = torch.full_like(true, -30)
    right = losses.losses(true, none, batch)
    wrong = losses.losses(torch.zeros_like(true), none + 29, batch)
    brighter = losses.losses(true + 0.3, none, batch)
    for name, value in right.items():
        assert float(value) < 2e-3 < float(wrong[name]), name
        assert float(brighter[name]) < 0.2 * float(wrong[name]), name


def test_grain_is_in_the_picture_and_not_in_its_light(folder):
    pair = draw_flat(read_flats(folder, Split.TRAIN), np.random.default_rng(1), 64)
    clean, grainy = (
        batch_of([pair]),
        batch_of([pair], [1 + 0.1 * np.random.default_rng(0).standard_normal(pair.image.shape)]),
    )
    bright = clean.shading > 0.1
    lights = (grainy.shading / clean.shading)[bright]
    assert float(lights.std()) < 0.01 < 0.08 < float((grainy.image / clean.image)[bright].std())


@torch.no_grad()
def test_the_deepest_level_hears_of_the_picture_before_any_training():
    torch.manual_seed(0)
    network, x = ShadingNetwork(), torch.randn(2, 3, 64, 64)
    for block in network.down:
        x = block(x)
        assert 0.2 < float(x.std()) < 5


def test_what_is_not_known_costs_nothing(folder):
    pair = as_taken(draw_flat(read_flats(folder, Split.TRAIN), np.random.default_rng(1), 64), np.random.default_rng(0))
    known = pair.known.copy()
    known[:, :32] = False
    batch = batch_of([Pair(pair.image, pair.albedo, pair.residual, known)])
    light, share = torch.zeros_like(batch.image), torch.zeros_like(batch.image) - 2
    other = light.clone()
    other[..., :32] = 3
    first, second = (losses.losses(values, share, batch) for values in (light, other))
    assert {n: float(v) for n, v in first.items()} == pytest.approx({n: float(v) for n, v in second.items()}, abs=1e-5)


def test_training_learns_and_resumes(folder, rendered, run, tmp_path):
    kept = torch.load(run / training.CHECKPOINT, weights_only=False)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == kept["step"] == 16
    quarter = len(lines) // 4
    early, late = (
        np.mean([line["albedo"] + line["shading"] for line in part]) for part in (lines[:quarter], lines[-quarter:])
    )
    assert late < early
    assert kept["made"]["images"]
    assert kept["made"]["scenes"] == 4
    (tmp_path / training.CHECKPOINT).write_bytes((run / training.CHECKPOINT).read_bytes())
    options = training.Options(steps=18, size=64, pairs=2, threads=1)
    training.train(options, folder, rendered, tmp_path)
    again = torch.load(tmp_path / training.CHECKPOINT, weights_only=False)
    assert (again["step"], again["made"]["steps"]) == (18, 18)
    assert again["minutes"] > kept["minutes"]
    apart = [float((a - b).abs().max()) for a, b in zip(again["model"].values(), kept["model"].values(), strict=True)]
    assert 0 < max(apart) < 0.1, "it goes on from there"


def test_export_and_evaluation(folder, rendered, run, tmp_path):
    path = tmp_path / "shading.onnx"
    export.export_checkpoint(run / training.CHECKPOINT, path)
    card = Card.from_json({p.key: p.value for p in onnx.load(path).metadata_props}[CARD_KEY])
    assert card.training["images"]
    figures = evaluation.evaluate(path, folder, rendered, tmp_path, count=2)
    assert figures["bytes"] < export.MAX_BYTES
    assert set(figures["baselines"]) == set(figures["relight_baselines"]) == {"retinex", "guided", "ratio"}
    assert figures["pairs"] == figures["textures"]["pairs"] == 2
    assert 0 < figures["si_mse"] < 1
    assert figures["ceiling_ratio"] > 0
    assert (tmp_path / "shading_scenes.png").is_file()
    assert (tmp_path / "shading_textures.png").is_file()
    with pytest.raises(FileNotFoundError, match="data shading"):
        evaluation.evaluate(path, folder, tmp_path, tmp_path)


def test_a_file_that_computes_otherwise_is_not_exported(run, tmp_path):
    model, made = training.trained(run / training.CHECKPOINT)
    path = tmp_path / "shading.onnx"
    export.export_shading(model, export.card(made), path)
    with torch.no_grad():
        model.out.bias[0] += 0.1
    with pytest.raises(ExportError, match="differs from torch"):
        export.check(model, path)


def test_errors_do_not_know_factors():
    rng = np.random.default_rng(0)
    truth, known = rng.random((32, 32, 3)), rng.random((32, 32)) > 0.3
    for error in (evaluation.si_mse, evaluation.lmse):
        assert error(7 * truth, truth, known) == pytest.approx(0, abs=1e-9)
        assert error(truth + np.where(known, 0, 9)[..., None], truth, known) == pytest.approx(0, abs=1e-9)
        assert error(rng.random((32, 32, 3)), truth, known) > 0.1


def test_each_baseline_takes_off_the_light_that_it_is_made_for():
    """A chequered floor of two colours under light that falls off: its brightness changes at once, its light slowly."""
    rows, columns = np.mgrid[:64, :64]
    squares = ((rows // 8 + columns // 8) % 2)[..., None]
    albedo = np.where(squares, np.float32([0.5, 0.2, 0.1]), np.float32([0.1, 0.25, 0.4])).astype(np.float32)
    shading = np.broadcast_to(np.exp(columns / 32 - 1)[..., None], albedo.shape).astype(np.float32)
    image, known = albedo * shading, np.ones((64, 64), bool)
    before = evaluation.si_mse(image, albedo, known)

    def error(light):
        return evaluation.si_mse(evaluation.baseline(light)(image)[0], albedo, known)

    found = {name: error(baselines.tuned(name, error)) for name in baselines.GRIDS}
    assert found["retinex"] < 0.02 * before
    assert found["ratio"] < 0.1 * before
    assert found["guided"] < 0.5 * before


def test_integrated_undoes_differences():
    field = np.random.default_rng(0).random((9, 14))
    again = baselines.integrated(np.diff(field, axis=0), np.diff(field, axis=1))
    assert again == pytest.approx(field - field.mean(), abs=1e-9)


def test_a_batch_can_be_looked_at(folder, rendered, tmp_path):
    batch = Crops(folder, rendered, Split.TRAIN).draw(2, 64, np.random.default_rng(0))
    assert Image.open(commands.draw_batch(batch, tmp_path / "pairs.png")).size == (8 * 64, 2 * 64)


@pytest.mark.blender
def test_a_scene_under_two_lights(tmp_path):
    """Rendered small and coarse: one albedo, two lights, the image their product and what is mirrored."""
    try:
        data = textures.data_folder()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    order = renders.Order(data, tmp_path, Split.HELD, 1, seed=5, side=48, samples=2)
    (path,) = scenes.render(order, workers=1)
    pair = renders.read(path)
    assert renders.pairs_in(tmp_path, Split.HELD) == [path]
    assert pair.image.shape == (2, 48, 48, 3)
    assert pair.known.mean() > renders.LEAST_KNOWN
    assert np.array_equal(pair.albedo[0], pair.albedo[1])
    assert 0.02 < pair.albedo[0][pair.known].mean() < 0.9
    whole = (pair.albedo * pair.shading() + pair.residual)[:, pair.known]
    assert whole == pytest.approx(pair.image[:, pair.known].astype(np.float32), rel=0.02, abs=0.01)
    assert evaluation.si_mse(pair.shading()[0], pair.shading()[1], pair.known) > 0.01
    path.unlink()
    scenes.render(order, workers=1)
    again = renders.read(path)  # a scene depends on its seed, split and number alone; the denoiser's last bits do not
    assert again.albedo == pytest.approx(pair.albedo, abs=2e-3)
    assert again.image == pytest.approx(pair.image, rel=0.05, abs=0.02)
