# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph through the pipeline: what does not weather stays, light comes back, and what cannot be done is said."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import segmenters
import shadings

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.errors import BadRecipe, BadSurface, NetworkError
from sabi.backend.protocol.materials import Material
from sabi.backend.protocol.photograph import photograph
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.still import Down, Still
from sabi.backend.protocol.surface import ColorSpace, Map
from sabi.backend.server.spool import Spool
from sabi.backend.weathering import lit, pictured
from sabi.backend.weathering.colour import decode, store, to_srgb
from sabi.backend.weathering.photograph import STAGES, weather_photograph
from sabi.backend.weathering.pipeline import Weathered, paint_photograph, reage, weather

HEIGHT, WIDTH = 120, 160
RUST = Recipe((Layer(Effect.RUST, age=0.8),))
PLAIN = Still()


@pytest.fixture
def networks(networks_folder):
    return Networks.load(device="cpu", folder=networks_folder)


def light(height=HEIGHT, width=WIDTH):
    """From 0.15 at the left to 1 at the right, warm: what a window beside a wall gives."""
    across = np.linspace(0.15, 1, width, dtype=np.float32)[None, :, None] * np.array([1.05, 1, 0.9], np.float32)
    return np.broadcast_to(across, (height, width, 3)).astype(np.float32)


def scene(height=HEIGHT, width=WIDTH, dtype=np.uint8):
    """Evenly grained grey under `light`."""
    rng = np.random.default_rng(0)
    albedo = 0.5 + 0.03 * rng.standard_normal((height, width, 1)).astype(np.float32)
    linear = albedo * light(height, width)
    if np.dtype(dtype).kind == "f":
        return Map(linear.astype(dtype), ColorSpace.LINEAR)
    return Map(store(to_srgb(linear), np.dtype(dtype)), ColorSpace.SRGB)


def square(dtype=np.uint8, height=HEIGHT, width=WIDTH):
    mask = np.zeros((height, width, 1), dtype)
    mask[height // 4 : -height // 4, width // 8 : -width // 8] = (
        1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    )
    return Map(mask)


def aged(networks, picture=None, recipe=RUST, still=PLAIN, **more):
    surface = photograph(picture or scene(), still, more=more)
    return weather(surface, recipe, networks=networks)


def linear_of(map_):
    return decode(map_.array, map_.color_space)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_unweathered_texels_keep_every_bit(networks, dtype):
    picture, mask = scene(dtype=dtype), square()
    given = picture.array.copy()
    new = aged(networks, picture, Recipe((Layer(Effect.RUST, age=0.0),)), object_mask=mask).surface["combined"]
    assert np.array_equal(new.array, given)
    old = aged(networks, picture, object_mask=mask).surface["combined"]
    outside = mask.array[..., 0] == 0
    assert old.array.dtype == dtype
    assert old.color_space is picture.color_space
    assert np.array_equal(old.array[outside], given[outside])
    assert (old.array[~outside] != given[~outside]).any(-1).mean() > 0.3
    assert np.array_equal(picture.array, given)


def test_the_result_is_the_weathered_albedo_in_the_photographs_light(networks):
    """Where a layer covers all of it the picture is layer times light: over its true light it is as even as the layer."""
    recipe = Recipe((Layer(Effect.RUST, age=1.0, opacity=1.0),))
    done = aged(networks, scene(dtype=np.float32), recipe, Still(stages=True), object_mask=square())
    covered = done.surface["mask:coverage"].array[..., 0] > 0.9
    assert covered[:, :60].sum() > 50
    assert covered[:, -60:].sum() > 50
    over = (linear_of(done.surface["combined"]) / light()).mean(-1)
    left, right = over[:, :60][covered[:, :60]].mean(), over[:, -60:][covered[:, -60:]].mean()
    assert 0.7 < left / right < 1.4, "the layer lies in another light than the picture's"
    flat = linear_of(done.surface["albedo"]).mean(-1)
    assert 0.7 < flat[:, :60][covered[:, :60]].mean() / flat[:, -60:][covered[:, -60:]].mean() < 1.4


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_stages_make_up_the_picture(networks, dtype):
    picture = scene(dtype=dtype)
    surface = aged(networks, picture, still=Still(stages=True), object_mask=square()).surface
    assert set(STAGES.values()) <= set(surface.maps)
    albedo, shading, residual = (linear_of(surface[name]) for name in ("bare", "shading", "residual"))
    assert albedo * shading + residual == pytest.approx(linear_of(picture), abs=2e-3)
    assert shading.min() > 0
    assert np.array_equal(surface["recomposed"].array, surface["combined"].array)
    lacking = aged(networks, picture, object_mask=square()).surface
    assert set(lacking.maps) == {"combined", "object_mask"}


def test_light_is_taken_off_evenly_and_in_colour(networks):
    shading = lit.by_contrast(scene(dtype=np.float32)).shading(slice(0, HEIGHT))
    ratio = shading / light()
    assert ratio.std() / ratio.mean() < 0.15
    assert shading[..., 0].mean() > shading[..., 1].mean() > shading[..., 2].mean()


def test_the_shading_network_tells_light_where_there_is_one(tmp_path, make_painter):
    make_painter(tmp_path / "painter.onnx")
    networks = Networks.load(device="cpu", folder=shadings.write(tmp_path))
    for dtype in (np.uint8, np.float32):
        done = aged(networks, scene(dtype=dtype), still=Still(stages=True), object_mask=square())
        assert any("told by the shading network" in warning for warning in done.warnings)
        albedo, shading, residual = (linear_of(done.surface[name]) for name in ("bare", "shading", "residual"))
        assert albedo * shading + residual == pytest.approx(linear_of(scene(dtype=dtype)), abs=2e-3)
        even = (shading / light()).mean(-1)[:, 20:-20]
        assert even.std() / even.mean() < 0.15
        assert np.percentile(albedo @ lit.LUMINANCE, lit.BRIGHTEST) == pytest.approx(lit.WHITE, abs=0.1)
        outside = square().array[..., 0] == 0
        assert np.array_equal(done.surface["combined"].array[outside], scene(dtype=dtype).array[outside])
    small = aged(networks, scene(8, 8))
    assert any("guided filter" in warning for warning in small.warnings)


def test_what_became_rough_mirrors_no_more(networks):
    """Highlights far above white; where rust covers them, most of them is gone."""
    picture = scene(dtype=np.float32)
    for row in range(8):
        picture.array[row::32, (np.arange(WIDTH) % 32) < 8] = 30
    done = aged(networks, picture, Recipe((Layer(Effect.RUST, age=1.0),)), Still(stages=True)).surface
    there = (done["mask:coverage"].array[..., 0] > 0.9) & (done["residual"].floats().min(-1) > 1)
    assert there.sum() > 50
    lost = (picture.array - done["combined"].array)[there]
    assert (lost > 0.25 * done["residual"].floats()[there]).mean() > 0.9


def test_a_soft_mask_changes_in_part(networks):
    picture = scene(dtype=np.float32)
    half = Map((square().array // 2).astype(np.uint8))
    whole = linear_of(aged(networks, picture, object_mask=square()).surface["combined"]) - picture.array
    part = linear_of(aged(networks, picture, object_mask=half).surface["combined"]) - picture.array
    changed = np.abs(whole).max(-1) > 0.05
    assert changed.any()
    assert np.median(part[changed] / whole[changed]) == pytest.approx(127 / 255, abs=0.15)


@pytest.mark.parametrize("value", [0, 255])
def test_masks_that_choose_nothing_or_all(networks, value):
    mask = Map(np.full((HEIGHT, WIDTH, 1), value, np.uint8))
    if not value:
        with pytest.raises(BadSurface, match="The mask is empty"):
            aged(networks, object_mask=mask)
    else:
        done = aged(networks, object_mask=mask)
        assert (done.surface["combined"].array != scene().array).any()
        assert "What weathers is what the mask shows." in done.warnings


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(BadSurface, match="The mask has 150 x 120 texels, the photograph 160 x 120"):
        photograph(scene(), Still(), more={"object_mask": square(width=150)})
    with pytest.raises(BadRecipe, match="cannot span"):
        photograph(scene(), Still(), width=0)


def test_without_mask_and_segmenter_all_weathers_and_it_says_so(networks):
    done = aged(networks)
    assert any("The whole picture weathers" in warning for warning in done.warnings)
    assert any("guided filter" in warning for warning in done.warnings)
    with pytest.raises(NetworkError):
        aged(networks, still=Still(material=Material.METAL))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_click_chooses_without_a_segmenter(networks, dtype):
    picture = np.full((HEIGHT, WIDTH, 3), 0.1)
    picture[:, : WIDTH // 2, 0] = picture[:, WIDTH // 2 :, 1] = 0.7
    given = (
        Map(picture.astype(np.float32), ColorSpace.LINEAR)
        if dtype is np.float32
        else Map((255 * picture).astype(np.uint8), ColorSpace.SRGB)
    )
    done = aged(networks, given, still=Still(at=(WIDTH - 20, 60)))
    changed = (done.surface["combined"].array != given.array).any(-1)
    assert changed[:, WIDTH // 2 + 4 :].any()
    assert not changed[:, : WIDTH // 2 - 4].any()
    mask = done.surface["object_mask"].array
    assert mask[:, WIDTH // 2 + 4 :].mean() > 0.95 * 255
    assert mask[:, : WIDTH // 2 - 4].max() == 0
    assert any("around 140,60" in said for said in done.warnings)


def test_clicks_beside_the_picture_and_too_many_are_refused(networks):
    with pytest.raises(BadSurface, match="is not in the picture"):
        aged(networks, still=Still(at=(WIDTH, 0)))
    with pytest.raises(BadSurface, match="At most 16 places"):
        Still(at=tuple((x, 0) for x in range(17)))
    assert Still.of(photograph(scene(), Still(at=(3, 4)))).clicks == ((3, 4),)
    assert Still.of(photograph(scene(), Still(at=[(3, 4), (5, 6), (3, 4)]))).clicks == ((3, 4), (5, 6))


def test_a_segmenter_chooses(tmp_path, make_painter):
    make_painter(tmp_path / "painter.onnx")
    networks = segmenters.write(tmp_path)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, : WIDTH // 2, 0] = 220
    picture[:, WIDTH // 2 :, 1] = 220
    picture[:20, :20] = (0, 220, 0)  # foliage apart from the right half's
    given = Map(picture, ColorSpace.SRGB)
    for still, left, right in (
        (Still(material=Material.FOLIAGE), False, True),
        (Still(material=Material.BRICK), True, False),
        (Still(at=(WIDTH - 5, 5)), False, True),
        (Still(at=((WIDTH - 5, 5), (30, 60))), True, True),
        (Still(), True, True),
    ):
        changed = (aged(networks, given, still=still).surface["combined"].array != picture).any(-1)
        assert changed[30:, : WIDTH // 2 - 8].any() == left, still
        assert changed[30:, WIDTH // 2 + 8 :].any() == right, still
        if still.at:
            assert not changed[:16, :16].any(), "what is of the colour but not joined"
    with pytest.raises(BadSurface, match="finds no water"):
        aged(networks, given, still=Still(material=Material.WATER))
    with pytest.raises(BadSurface, match="finds no object in the picture") as raised:
        aged(networks, Map(picture // 8, ColorSpace.SRGB))
    assert "Give a mask" in raised.value.hint


def test_transparent_texels_keep_their_colours(networks):
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:, :80] = 0
    result = aged(networks, alpha=Map(alpha)).surface["combined"].array
    assert np.array_equal(result[:, :80], scene().array[:, :80])
    assert (result[:, 80:] != scene().array[:, 80:]).any()


def test_what_is_hidden_does_not_bend_the_light(tmp_path):
    """Transparent texels of whatever colour: the light on the rest is the same, by contrast and by the network."""
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:, 60:100] = 0
    dark, bright = scene(dtype=np.float32), scene(dtype=np.float32)
    dark.array[:, 60:100], bright.array[:, 60:100] = 0, (9, 2, 0)
    for networks in (Networks.load(folder=tmp_path / "none"), Networks.load(folder=shadings.write(tmp_path))):
        one, two = (lit.light_on(picture, networks, alpha).shading(slice(0, HEIGHT)) for picture in (dark, bright))
        assert two[:, 104:] == pytest.approx(one[:, 104:], rel=0.02)
        bent = lit.light_on(bright, networks).shading(slice(0, HEIGHT))
        assert np.abs(bent / two - 1)[:, 104:].max() > 0.2
    lit.light_on(dark, networks, np.zeros_like(alpha))


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (1, 200), (40, 33)])
def test_tiny_pictures(networks, size):
    assert aged(networks, scene(*size)).surface["combined"].size == size


@pytest.mark.parametrize("value", [0, 255, 128])
def test_pictures_of_one_colour(networks, value):
    picture = Map(np.full((64, 64, 3), value, np.uint8), ColorSpace.SRGB)
    result = aged(networks, picture).surface["combined"].array
    assert result.shape == picture.array.shape


def test_brighter_than_white_stays_finite(networks):
    picture = scene(dtype=np.float32)
    picture.array[:10] = 1e4
    result = aged(networks, picture).surface["combined"].array
    assert np.isfinite(result).all()


def test_data_is_no_photograph(networks):
    with pytest.raises(BadSurface, match="holds data"):
        aged(networks, Map(scene().array, ColorSpace.DATA))


def test_down_turns_where_runs_go():
    """Fewer words than gravity: the plane is upright, x right and z up."""
    assert {down: down.gravity for down in Down} == {
        Down.BOTTOM: (0, 0, -1),
        Down.TOP: (0, 0, 1),
        Down.LEFT: (-1, 0, 0),
        Down.RIGHT: (1, 0, 0),
        Down.AWAY: (0, 1, 0),
    }


def test_the_ground_is_where_down_is(networks):
    near = Layer(Effect.RUST, age=0.9, exposure=replace(RUST.layers[0].exposure, **dict.fromkeys(
        ("edges", "cavities", "up", "drips", "noise"), 0.0), ground=1.0))  # fmt: skip
    for down, weathered, bare in (
        (Down.BOTTOM, slice(-30, None), slice(0, 30)),
        (Down.TOP, slice(0, 30), slice(-30, None)),
    ):
        recipe = Recipe((near,))
        recipe = replace(recipe, frame=replace(recipe.frame, gravity=down.gravity))
        cover = aged(networks, recipe=recipe, still=Still(stages=True)).surface["mask:coverage"].array
        assert cover[weathered].mean() > cover[bare].mean() + 0.05, down


@pytest.mark.parametrize("what", ["colour", "light", "shadow", "paint"])
def test_cavities_are_dark_lines_of_colour_or_of_light_and_no_borders(what):
    """A line a fortieth as wide as the picture; a shadow or another paint over its right half."""
    line, half = np.ones((HEIGHT, WIDTH, 1), np.float32), np.ones((HEIGHT, WIDTH, 1), np.float32)
    line[:, WIDTH // 2 : WIDTH // 2 + WIDTH // 40], half[:, WIDTH // 2 :] = 0.3, 0.3
    albedo = 0.5 * {"colour": line, "paint": half}.get(what, np.ones_like(line)).repeat(3, 2)
    shading = {"light": line, "shadow": half}.get(what, np.ones_like(line))
    picture, bare = (Map(v.astype(np.float32), ColorSpace.LINEAR) for v in (albedo * shading, albedo))
    everywhere = Map(np.full((HEIGHT, WIDTH, 1), 255, np.uint8))
    closed = 1 - pictured.shape(picture, bare, everywhere, None, np.empty)["ambient_occlusion"].floats()[..., 0]
    middle = closed[:, WIDTH // 2 : WIDTH // 2 + WIDTH // 40]
    assert closed[:, : WIDTH // 3].max() < 0.05
    assert closed[:, -WIDTH // 3 :].max() < 0.05
    if what in ("colour", "light"):
        assert middle.mean() > 0.5
    else:
        assert closed.max() < 0.05


def test_painted_once_it_is_given_at_any_age(networks):
    given = photograph(scene(), Still(), more={"object_mask": square()})
    painted, at = paint_photograph(given, RUST, networks=networks)
    for age in (0.0, 0.4, 0.8):
        alone = weather(given, RUST.at_age(age), networks=networks).surface["combined"].array
        assert np.array_equal(at(RUST.at_age(age))["combined"].array, alone)
    assert np.array_equal(at(RUST.at_age(0.0))["combined"].array, scene().array)
    with pytest.raises(BadSurface, match="photograph"):
        reage(given, RUST, painted.layers)


def test_layers_that_lie_in_those_below(networks):
    recipe = Recipe((Layer(Effect.RUST, age=0.8), Layer(Effect.MOSS, age=0.8, mask="layer:1")))
    mask = square()
    done = aged(networks, recipe=recipe, object_mask=mask)
    outside = mask.array[..., 0] == 0
    assert np.array_equal(done.surface["combined"].array[outside], scene().array[outside])
    assert len(done.layers) == 2


def test_harmonizing_changes_what_is_covered_alone():
    networks = Networks.load(device="cpu", threads=1)
    plain, settled = (
        aged(networks, still=Still(harmonize=h, stages=True), object_mask=square()).surface for h in (False, True)
    )
    bare = plain["mask:coverage"].array[..., 0] <= 0
    assert np.array_equal(settled["recomposed"].array, plain["combined"].array)
    assert np.array_equal(settled["combined"].array[bare], scene().array[bare])
    assert (settled["combined"].array != plain["combined"].array).any()


def test_harmonizing_without_anything_to_go_by_is_said():
    networks = Networks.load(device="cpu", threads=1)
    recipe = Recipe((Layer(Effect.RUST, age=0.0),))
    done = aged(networks, recipe=recipe, still=Still(harmonize=True))
    assert np.array_equal(done.surface["combined"].array, scene().array)
    assert "Not harmonized: nothing of the picture weathers." in done.warnings


def test_what_a_photograph_takes_beside_the_spool_hardly_grows_with_it(networks):
    """All that is as large as the picture lies in what `allocate` gives; strips are as many texels, whatever the height."""

    def painted(surface, recipe):
        size = surface.size
        flat, rust = (np.broadcast_to(np.uint8(90), (*size, channels)) for channels in (1, 3))
        maps = {"roughness": Map(flat), "albedo": Map(rust, ColorSpace.SRGB)}
        return Weathered(surface.with_maps(maps), (), (), recipe)

    def harmonizer(inputs):
        height, width = (side // 4 for side in inputs["mask"].shape[2:])
        return {"transforms": np.tile(np.eye(3, 4, dtype=np.float32).reshape(1, 12, 1, 1), (1, 1, height, width))}

    def peak(side):
        picture = Map(np.full((side, side, 3), 0.3, np.float16), ColorSpace.LINEAR)
        covered = np.zeros((side, side, 1), np.float32)
        covered[side // 4 : -side // 4] = 1
        kept = {"paint": painted, "cover": lambda *_: covered, "report": lambda *_: None}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sabi.backend.weathering.photograph.session_of", lambda _: harmonizer)
            patch.setattr("sabi.backend.threads._POOL", alone)  # or it would depend on how many strips meet
            patch.setattr("sabi.backend.weathering.composite.STRIP", 1 << 16)
            tracemalloc.start()
            surface = photograph(picture, Still(harmonize=True, stages=True), more={"object_mask": Map(covered)})
            weather_photograph(surface, RUST, networks=networks, allocate=Spool().allocate, **kept)
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return most

    with ThreadPoolExecutor(1) as alone:
        _, low, high = (peak(side) for side in (512, 512, 1024))  # once for what is kept from run to run
    assert (high - low) / (1024**2 - 512**2) < 1


def test_metadata_that_say_nothing_sensible():
    still = Still(True, True, Material.METAL, (3, 4))
    assert Still.of(photograph(scene(), still)) == still
    for said in ("[]", '{"at": [1]}', '{"material": "cheese"}', "{"):
        with pytest.raises(BadSurface):
            Still.of(replace(photograph(scene(), Still()), metadata={"photograph": said}))


def test_it_is_repeatable(networks):
    one, two = (aged(networks, object_mask=square()).surface["combined"].array for _ in range(2))
    assert np.array_equal(one, two)
