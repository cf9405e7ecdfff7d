# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter's contract, on the network and on the file that ships."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from sabi.backend.networks.card import CARD_KEY, Card
from sabi.backend.protocol import growth
from sabi.backend.protocol.recipe import Effect
from sabi.backend.weathering.pipeline import GUTTER
from sabi.export_onnx import ceiling, evaluation, export
from sabi.export_onnx.data.batches import lattice_noise
from sabi.export_onnx.networks import painter as painters
from sabi.export_onnx.painting import Brush, at_age

SHIPPED = Path(__file__).resolve().parents[2] / "backend" / "networks" / "painter.onnx"
SOME = ("rust", "peeling_paint", "moss", "scratches", "stains")
STYLES = {effect.value: {"plain": [0.0] * painters.STYLE} for effect in Effect}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return painters.Painter().eval()


@torch.no_grad()
def test_paints_final_values(network):
    painted = network(**painters.inputs_of(2, 64, 96, torch.Generator().manual_seed(0)))
    assert painted.shape == (2, len(painters.PAINTED), 64, 96)
    for channel, low, high in (
        (0, growth.THRESHOLD_MIN, growth.THRESHOLD_MAX),
        (1, growth.SOFTNESS_MIN, growth.SOFTNESS_MAX),
        (slice(2, None), 0, 1),
    ):
        assert float(painted[:, channel].min()) >= low
        assert float(painted[:, channel].max()) <= high


@torch.no_grad()
def test_overlap_holds_the_whole_receptive_field(network):
    inputs = painters.inputs_of(1, 320, 32, torch.Generator().manual_seed(0))
    changed = {n: v.clone() for n, v in inputs.items()}
    for name, value in changed.items():
        if value.ndim == 4:
            value[:, :, -(value.shape[2] * painters.OVERLAP // 320) :] += 1 if name in painters.NOISE else 0.1
    difference = (network(**inputs) - network(**changed)).abs().amax((0, 1, 3))
    assert float(difference[: 320 - 2 * painters.OVERLAP].max()) == 0
    assert float(difference[-painters.OVERLAP :].max()) > 0


def test_coarse_noise_reaches_the_picture(network):
    """At the start as much as the finest, or the first shapes are grain and stay it."""
    inputs = painters.inputs_of(1, 128, 128, torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = network(**inputs)[:, :1]
        moved = {n: (plain - network(**(inputs | {n: inputs[n].flip(1)}))[:, :1]).std() for n in painters.NOISE}
    assert moved["noise_32"] > moved["noise_2"]


def late_of(count, kinds):
    """What `open_gate` is told: each of the first styles starts with one kind of vein, the others are no lines."""
    late = torch.full((count, painters.VEINS), float("nan"))
    for style, kind in enumerate(kinds):
        late[style] = 9.0 * (torch.arange(painters.VEINS) != kind)
    return late


@torch.no_grad()
def test_a_style_of_lines_starts_along_its_own_and_no_other_does(network):
    codes = torch.randn(24, painters.STYLE, generator=torch.Generator().manual_seed(1))
    network.open_gate(codes, late_of(24, (0, 3)))
    gate = network.gate(codes)[:, 0]
    assert (gate[:2] > 1).all()
    assert (gate[2:] < 0).all()
    shut = codes[2 + int(gate[2:].argmin())][None]
    distances = 6 * torch.rand(1, painters.VEINS, 16, 16)
    before = 0.1 * torch.randn(1, 1, 32, 32)
    assert torch.equal(network.lined(before, distances, shut), before)
    for code, kind in ((codes[:1], 0), (codes[1:2], 3)):
        drawn = torch.nn.functional.avg_pool2d(network.lined(before, distances, code), 2)
        together = torch.stack([drawn.flatten(), distances[:, kind].flatten()])
        assert float(torch.corrcoef(together)[0, 1]) > 0.85

    blots = network.lined(100 * before, distances * 0, codes[:1])
    assert float(blots.std()) < 0.3 * float((100 * before).std())


@torch.no_grad()
def test_lines_run_where_the_veins_are_near(network):
    inputs = painters.inputs_of(1, 128, 128, torch.Generator().manual_seed(0))
    network.gate.bias += 3
    painted = network(**inputs)
    nearest = painters.veins(*(inputs[f"noise_{stride}"] for stride in (32, 16, 8, 4))).amin(1)
    threshold = torch.nn.functional.avg_pool2d(painted[:, :1], 2)[:, 0]
    along, beside = (threshold[where].mean() for where in (nearest < 0.5, nearest > 6))
    assert float(along) < 0.5 * float(beside)


def test_cells_meet_where_the_two_largest_are_equal():
    fields = torch.randn(2, 10, 8, 8, generator=torch.Generator().manual_seed(0))
    apart = painters.from_lines(fields)
    for cells, four in ((apart[:, 0], fields[:, :4]), (apart[:, 1], fields[:, 4:8])):
        largest = four.topk(2, dim=1).values
        torch.testing.assert_close(cells, largest[:, 0] - largest[:, 1])
    assert torch.equal(apart[:, 2:], fields[:, 8:].abs())


@torch.no_grad()
def test_veins_are_as_wide_everywhere():
    """Distances in texels, whatever the slope of the noise: within 2 texels lie as many as a line of that width covers."""
    noise = lattice_noise(2, 512, torch.Generator().manual_seed(0))
    distances = painters.veins(*(noise[f"noise_{stride}"] for stride in (32, 16, 8, 4)))
    narrow, wide = ((distances < width).float().mean((0, 2, 3)) for width in (2, 4))
    assert ((wide / narrow) > 1.6).all()  # 2 where slopes were even and lines never met
    assert ((wide / narrow) < 2.4).all()


@torch.no_grad()
def test_scratches_are_thin_and_longer_than_wide():
    noise = lattice_noise(1, 512, torch.Generator().manual_seed(0))
    distance = painters.strokes(noise["noise_32"], noise["noise_16"])[0, 0].numpy()
    scratched = distance < np.quantile(distance, 0.1)
    widest = ndimage.distance_transform_edt(scratched).max()
    sizes = np.bincount(ndimage.label(scratched)[0].ravel())[1:]
    assert widest < 8
    assert sizes.max() > 8 * np.pi * widest**2, "no piece is much longer than it is wide"


@torch.no_grad()
def test_scratches_are_added_to_styles_that_have_them_and_to_no_other(network):
    codes = torch.randn(24, painters.STYLE, generator=torch.Generator().manual_seed(1))
    network.open_strokes(codes, torch.arange(24) < 2)
    before, distance = torch.randn(1, 1, 32, 32), 12 * torch.rand(1, 1, 16, 16) - 2
    for style in range(2, 24):
        assert torch.equal(network.scratched(before, distance, codes[style][None]), before)
    for style in (0, 1):
        far, near = (network.scratched(before, distance + away, codes[style][None]) for away in (20, 0))
        torch.testing.assert_close(far, painters.held_back(before))
        assert (near <= far).all()
        assert (near < far).any()
    untold = {name: weight.clone() for name, weight in network.state_dict().items()}
    network.open_strokes(codes, torch.zeros(24, dtype=torch.bool))
    assert all(torch.equal(weight, untold[name]) for name, weight in network.state_dict().items())


@torch.no_grad()
def test_sheer_styles_show_the_fine_light_of_the_base(network):
    codes = torch.randn(24, painters.STYLE, generator=torch.Generator().manual_seed(1))[:12]
    network.make_sheer(codes, (torch.arange(12) < 4) * 0.8)
    inputs = painters.inputs_of(1, 64, 64, torch.Generator().manual_seed(0))
    light = painters.fine_light(inputs["base"], functional.avg_pool2d(inputs["base"], 16))
    for code, sheer in ((codes[:1], 0.8), (codes[5:6], 0.0)):
        shown = network(**inputs | {"style": code})
        network.sheer.bias.data -= 9
        plain = network(**inputs | {"style": code})
        network.sheer.bias.data += 9
        torch.testing.assert_close(shown[:, 2:8], (plain[:, 2:8] * (sheer * light).exp()).clamp(max=1))
        assert torch.equal(shown[:, [0, 1, 8, 9, 10]], plain[:, [0, 1, 8, 9, 10]])


@torch.no_grad()
def test_crisp_styles_have_sharper_thresholds_and_others_the_same(network):
    codes = torch.randn(24, painters.STYLE, generator=torch.Generator().manual_seed(1))[:12]
    network.make_crisp(codes, (torch.arange(12) < 4) * 0.5)
    soft = painters.smoothed(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    sharp, same = (network.sharpened(soft, code) for code in (codes[:1], codes[5:6]))
    assert torch.equal(same, soft)
    torch.testing.assert_close(sharp, (1.5 * soft - 0.5 * painters.smoothed(soft)).clamp(0, 1))
    assert float(sharp.std()) > 1.1 * float(soft.std())


def test_fine_light_is_of_texels_that_a_gutter_holds():
    base = torch.rand(1, 6, 192, 192, generator=torch.Generator().manual_seed(0))
    farther = base.clone()
    farther[..., :96] = 0.5
    light, other = (painters.fine_light(x, functional.avg_pool2d(x, 16)) for x in (base, farther))
    assert torch.equal(light[..., 96 + GUTTER :], other[..., 96 + GUTTER :])
    assert not torch.equal(light[..., 96:], other[..., 96:])
    dim = 0.2 * base + 0.4  # an even surface has none, whatever its colour
    assert float(painters.fine_light(0 * base + 0.3, functional.avg_pool2d(0 * base + 0.3, 16)).abs().max()) < 1e-5
    assert float(painters.fine_light(dim, functional.avg_pool2d(dim, 16)).mean().abs()) < 0.02


@torch.no_grad()
def test_costs_what_may_be_spent(network, tmp_path):
    card = export.painter_card(STYLES, {}, {})
    export.export_painter(network, card, tmp_path / "painter.onnx")
    gflop = ceiling.network_gflop(tmp_path / "painter.onnx", ceiling.random_inputs(card, 256))
    assert 20 < gflop * 1e6 / 256**2 <= 80


def test_export_says_the_same_as_torch(network, tmp_path):
    made = {"steps": 0, "options": {"start": str(tmp_path / "start.onnx")}, "images": [{"source": "https://a/b"}]}
    card = export.painter_card(STYLES, dict.fromkeys(STYLES, 16.0), made)
    export.export_painter(network, card, tmp_path / "painter.onnx")
    model = onnx.load(tmp_path / "painter.onnx")
    assert max(o.version for o in model.opset_import) <= 18
    said = replace(card, training=made | {"options": {"start": "start.onnx"}})
    assert Card.from_json({p.key: p.value for p in model.metadata_props}[CARD_KEY]) == said


def test_export_of_another_network_is_refused(network, tmp_path):
    card = export.painter_card(STYLES, {}, {})
    export.export_painter(network, card, tmp_path / "painter.onnx")
    with torch.no_grad():
        network.heads[-1].bias += 0.5
    with pytest.raises(export.ExportError, match="differs from torch"):
        export.check(network, tmp_path / "painter.onnx")


def test_shipped_painter_grows_steadily_and_runs_follow_gravity():
    brush = Brush(SHIPPED)
    growth = evaluation.growth_figures(brush, 128)
    assert growth["shrinking_texels"] == 0
    assert growth["largest_step"] <= 0.08
    assert evaluation.runs_from_gravity(brush) <= 10


def test_shipped_painter_keeps_to_places_seeds_and_bases():
    """Of one style of five effects, for time's sake; `evaluate painter` looks at all."""
    brush = Brush(SHIPPED)
    some = {effect: dict([*brush.card.styles[effect].items()][:1]) for effect in SOME}
    brush.card = replace(brush.card, styles=some)
    placed = evaluation.placement_figures(brush, 128)
    assert placed["roll_difference"] <= 1
    assert placed["tile_difference"] <= 1
    assert placed["seeds_correlation"] <= 0.3
    assert evaluation.base_response(brush, 64) >= 0.8


@pytest.mark.parametrize("effect", ["rust", "moss", "dirt", "scratches"])
def test_shipped_maps_mean_what_they_show(effect):
    """Rust is rough and little metal, moss and dirt are rough, scratches bare metal: where the layer covers, on paint."""
    brush = Brush(SHIPPED)
    base, exposure = evaluation.plain_base((0.6, 0.1, 0.1), 128), torch.full((1, 1, 128, 128), 0.5)
    for style in brush.card.styles[effect]:
        painted = brush.paint(base, exposure, brush.style(effect, style), brush.noise(128, 3))
        maps, cover = at_age(painted, base, exposure, 1)
        roughness, metallic = (maps[:, i : i + 1][cover > 0.9].mean() for i in (3, 4))
        if effect == "scratches":
            assert metallic > 0.6, style
        else:
            assert roughness > 0.5, style
            assert metallic < 0.3, style


def test_shipped_file_is_a_trained_painter_of_every_effect():
    model = onnx.load(SHIPPED)
    card = Card.from_json({p.key: p.value for p in model.metadata_props}[CARD_KEY])
    assert max(o.version for o in model.opset_import) <= export.OPSET
    assert SHIPPED.stat().st_size <= export.MAX_BYTES
    assert set(card.styles) == {effect.value for effect in Effect} == set(card.texels_per_feature)
    assert all(len(named) >= 2 for named in card.styles.values())
    assert card.noise == painters.NOISE
    assert card.outputs["painted"] == list(painters.PAINTED)
    made = [card.training]  # the way from the photographs to these weights is all of them
    while "start" in made[-1]:
        made.append(made[-1]["start"]["training"])
    assert sum(part["steps"] for part in made) > 500
    assert {"data_sha256", "options", "minutes", "device", "images", "backbone"} <= set(card.training)
    assert all(image["licence"] == "CC0-1.0" for image in card.training["images"])
    assert export.without_places(card.training) == card.training
