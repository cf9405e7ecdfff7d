# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several commands share, and the recipe that they describe."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ..protocol.errors import BadFile, BadRecipe
from ..protocol.map_files import FileFormat, MapExport, format_named, layout_named
from ..protocol.materials import Material
from ..protocol.recipe import (
    Effect,
    Exposure,
    Frame,
    Layer,
    Recipe,
    effect_named,
    load_preset,
    preset_names,
    recipe_from_dict,
)
from ..protocol.still import Down
from ..protocol.words import DEFAULT_PATTERN

LOOK, RESULT, RUNNING, READING = "The look", "The result", "Where it runs", "Reading the input"
PHOTOGRAPH = "A photograph"
_EFFECTS = ", ".join(e.value for e in Effect)


def _complete_presets(incomplete: str) -> list[str]:
    return [name for name in preset_names() if name.startswith(incomplete)]


def _complete_effects(incomplete: str) -> list[str]:
    return [e.value for e in Effect if e.value.startswith(incomplete)]


RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe", "-r", rich_help_panel=LOOK, metavar="FILE|PRESET", autocompletion=_complete_presets,
        help="A recipe: a JSON file, or the name of a preset (`sabi effects` lists them). Several effects in layers need one.",
    ),
]  # fmt: skip
EffectOption = Annotated[
    str | None,
    typer.Option(
        "--effect", "-e", rich_help_panel=LOOK, autocompletion=_complete_effects,
        help=f"What weathers the surface: {_EFFECTS}, or what else the painter was taught. Rust when nothing is said.",
    ),
]  # fmt: skip
AgeOption = Annotated[
    float | None,
    typer.Option(
        "--age", "-a", rich_help_panel=LOOK,
        help="How long it has weathered: 0 leaves the picture as it is, 0.25 shows first spots, 1 is as far as the effect goes.",
    ),
]  # fmt: skip
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed", rich_help_panel=LOOK, help="Another number puts the spots elsewhere; the same number repeats them."
    ),
]
StyleOption = Annotated[
    str | None,
    typer.Option(
        "--style", rich_help_panel=LOOK, help="Which look of the effect, by name (`sabi effects` lists them)."
    ),
]
ExemplarOption = Annotated[
    Path | None,
    typer.Option(
        "--exemplar", rich_help_panel=LOOK, metavar="PHOTO|FOLDER",
        help="A photograph of your own, or a folder of a texture's maps: layers take its colours, and the maps that it has.",
    ),
]  # fmt: skip
ExemplarPartOption = Annotated[
    str | None,
    typer.Option(
        "--exemplar-part",
        rich_help_panel=LOOK,
        metavar="X,Y,WIDTH,HEIGHT",
        help="Only this part of the photograph, in its texels from the upper left.",
    ),
]
ExemplarWidthOption = Annotated[
    float,
    typer.Option(
        "--exemplar-width",
        rich_help_panel=LOOK,
        metavar="METRES",
        help="How many metres the photograph, or its part, spans.",
    ),
]
ExemplarSourceOption = Annotated[
    str,
    typer.Option(
        "--exemplar-source", rich_help_panel=LOOK, help="Where the photograph came from, for the recipe to say."
    ),
]
ExemplarLicenceOption = Annotated[
    str,
    typer.Option("--exemplar-licence", rich_help_panel=LOOK, help="Its licence, for the recipe to say."),
]
SizeOption = Annotated[
    float | None,
    typer.Option(
        "--size", rich_help_panel=LOOK, metavar="METRES",
        help="How large one flake, tuft or stain is on the object, in metres: 0.01 is fine-grained, 0.2 coarse.",
    ),
]  # fmt: skip
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", rich_help_panel=LOOK, metavar="KEY=VALUE",
        help="Any other field of the recipe, of all layers (opacity=0.5, exposure.edges=1, relief=0.001), of one "
        "(2.age=0.3) or of the frame (frame.mode=scene). May be repeated.",
    ),
]  # fmt: skip
NewestOption = Annotated[
    bool,
    typer.Option(
        "--newest",
        rich_help_panel=LOOK,
        help="Use the networks that are here also where the recipe was made with others: shapes may differ.",
    ),
]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep-to-materials",
        rich_help_panel=LOOK,
        help="Rust only on metal, moss on stone, wood and soil, ...; needs a segmenter (README).",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        rich_help_panel=RESULT,
        help="Folder for the results (or, for one image, its file). Beside the input when left out.",
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        rich_help_panel=RESULT,
        help="Replace results that are there already; without it they are never touched.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format", "-f", rich_help_panel=RESULT, metavar="png|tif|exr|...",
        help="Image format of the results. As the input when left out, but PNG for JPEG, which would change every texel.",
    ),
]  # fmt: skip
MapsOption = Annotated[
    str | None,
    typer.Option(
        "--maps", rich_help_panel=RESULT, metavar="plain|unreal|unity|gltf",
        help="Write maps as an engine wants them: unreal packs occlusion, roughness and metallic (ORM) and turns normals to "
        "DirectX; unity packs HDRP's mask map; plain is a map a file.",
    ),
]  # fmt: skip
BitsOption = Annotated[
    int,
    typer.Option(
        "--bits", rich_help_panel=RESULT, help="With --maps: 8 or 16 bits a channel; what the format has first, else."
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name", rich_help_panel=RESULT, metavar="PATTERN",
        help="With --maps: the files' names, of {object} {material} {map} {recipe} {size} {version}. As in "
        "T_{object}_{map}_v{version:03}: versions go on from the highest that is there.",
    ),
]  # fmt: skip
NormalsOption = Annotated[
    str,
    typer.Option(
        "--normals", rich_help_panel=READING, metavar="auto|opengl|directx",
        help="What the input's normal maps are. By their names (NormalDX, nor_gl) when nothing is said, else OpenGL.",
    ),
]  # fmt: skip
WidthOption = Annotated[
    float,
    typer.Option(
        "--width", rich_help_panel=READING, metavar="METRES",
        help="How many metres of the object one texture spans: larger makes every flake smaller in the picture.",
    ),
]  # fmt: skip
HeightOption = Annotated[
    float,
    typer.Option(
        "--height",
        rich_help_panel=READING,
        metavar="METRES",
        help="How many metres lie between black and white of a height map: deeper grooves collect more.",
    ),
]
UnitOption = Annotated[
    float,
    typer.Option(
        "--unit", rich_help_panel=READING, metavar="METRES",
        help="How many metres one unit of a frame's scene is, which its file does not say: 0.01 for centimetres.",
    ),
]  # fmt: skip
WrapOption = Annotated[
    str,
    typer.Option(
        "--wrap", rich_help_panel=READING, metavar="auto|none|x|y|both",
        help="Whether the texture tiles, so that weathering continues across its borders. Seen from the picture by default.",
    ),
]  # fmt: skip
ObjectOption = Annotated[
    str,
    typer.Option(
        "--object",
        rich_help_panel=READING,
        help="Weather this object of a frame (by its Cryptomatte) or of a model only.",
    ),
]
IndexOption = Annotated[
    int | None,
    typer.Option(
        "--object-index", rich_help_panel=READING, help="Weather what has this number in a frame's Object Index pass."
    ),
]
LayerOption = Annotated[
    str,
    typer.Option(
        "--view-layer", rich_help_panel=READING, help="The view layer of a frame; the first complete one when left out."
    ),
]
PhotographOption = Annotated[
    bool,
    typer.Option(
        "--photograph", rich_help_panel=PHOTOGRAPH,
        help="The images are photographs of things in their light, not textures: what weathers on them lies in that light. "
        "--width says how many metres the picture spans. The result is a still: for a moving camera weather textures.",
    ),
]  # fmt: skip
MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask", rich_help_panel=PHOTOGRAPH, metavar="IMAGE",
        help="White where it weathers, of the photograph's size. Else what a segmenter finds, else all of it.",
    ),
]  # fmt: skip
MaterialOption = Annotated[
    Material | None,
    typer.Option(
        "--material", rich_help_panel=PHOTOGRAPH, help="All of this material weathers (needs a segmenter, README)."
    ),
]
AtOption = Annotated[
    list[str] | None,
    typer.Option(
        "--at", rich_help_panel=PHOTOGRAPH, metavar="X,Y",
        help="The piece around this texel weathers, by its colours and borders, counted from the upper left. May be repeated.",
    ),
]  # fmt: skip
DownOption = Annotated[
    Down | None,
    typer.Option(
        "--down", rich_help_panel=PHOTOGRAPH, show_default="bottom",
        help="Which way things fall in the picture; away: it looks down on the ground.",
    ),
]  # fmt: skip
HarmonizeOption = Annotated[
    bool,
    typer.Option(
        "--harmonize",
        rich_help_panel=PHOTOGRAPH,
        help="Bring what weathered nearer to the colours of the rest, once it lies in the light of the photograph or the frame.",
    ),
]
StagesOption = Annotated[
    Path | None,
    typer.Option(
        "--stages", rich_help_panel=PHOTOGRAPH, metavar="FOLDER",
        help="Also write what is made on the way: mask, albedo, shading, residual, edges, cavities, coverage, ...",
    ),
]  # fmt: skip
TexelsOption = Annotated[
    int,
    typer.Option(
        "--texels",
        rich_help_panel=RESULT,
        help="Side of a model's new textures, 512 to 8192; that of its own textures when left out.",
    ),
]
SharedTilesOption = Annotated[
    bool,
    typer.Option(
        "--shared-tiles",
        rich_help_panel=RESULT,
        help="Models: what repeats over objects whose UVs leave the square (kits, trims) is painted once, as one tile for all.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        rich_help_panel=RUNNING,
        envvar="SABI_DEVICE",
        help="auto, cpu, cuda, tensorrt, directml or coreml. Makes it faster, not different.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads", rich_help_panel=RUNNING, envvar="SABI_THREADS", min=1, help="Processor threads; all when left out."
    ),
]
ServerOption = Annotated[
    str,
    typer.Option(
        "--server",
        rich_help_panel=RUNNING,
        envvar="SABI_SERVER",
        help="Address of a `sabi serve` to run the networks on, instead of here.",
    ),
]
TokenOption = Annotated[
    str,
    typer.Option("--token", rich_help_panel=RUNNING, envvar="SABI_TOKEN", help="The server's token.", show_envvar=True),
]
PythonOption = Annotated[
    str,
    typer.Option(
        "--blender-python",
        rich_help_panel=RUNNING,
        envvar="SABI_BLENDER_PYTHON",
        help="A Python that has bpy, for models; this one when it has it.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON for programs instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no notes.")]


def target_of(out: Path | None, beside: Path) -> Path:
    """Where the result of one image goes: the file that --out names, its usual name in the folder that it names, or beside it."""
    if out is None:
        return beside
    return out if out.suffix and not out.is_dir() else out / beside.name


def build_recipe(
    recipe: str | None,
    effect: str | None,
    age: float | None,
    seed: int | None,
    style: str | None,
    size: float | None,
    changes: list[str] | None,
    newest: bool = False,
) -> Recipe:
    """The recipe that the options describe, every value checked. Raises BadRecipe, BadFile."""
    if recipe and effect:
        raise BadRecipe("Give --recipe or --effect, not both.", "A recipe says its effects itself.")
    return change_recipe(_start(recipe, effect), age, seed, style, size, changes, newest)


def change_recipe(
    recipe: Recipe,
    age: float | None,
    seed: int | None,
    style: str | None,
    size: float | None,
    changes: list[str] | None,
    newest: bool = False,
) -> Recipe:
    """A recipe with what the options say of every layer. Raises BadRecipe."""
    data = json.loads(recipe.to_json())
    for name, value in (("age", age), ("seed", seed), ("style", style), ("feature_size", size)):
        if value is not None:
            for layer in data["layers"]:
                layer[name] = value
    if newest:
        data["networks"] = {}
    for change in changes or []:
        _apply(data, change)
    return recipe_from_dict(data)


def _start(recipe: str | None, effect: str | None) -> Recipe:
    if recipe is None:
        name = (effect or "rust").lower().replace("-", "_").replace(" ", "_")
        return Recipe((Layer(effect_named(name)),))
    path = Path(recipe)
    if path.suffix.lower() != ".json" and not path.is_file():
        return load_preset(recipe)
    try:
        return Recipe.from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise BadRecipe(f"{path} is not a recipe: it is not text.", "A recipe is a JSON file.") from None
    except OSError as error:
        raise BadFile(
            f"The recipe {path} cannot be read: {error.strerror}.", "Check the path, or name a preset."
        ) from None


def _apply(data: dict[str, Any], change: str) -> None:
    """`exposure.edges=1`: one field of every layer, of one (`2.age=0.3`, counted from 1) or of the frame (`frame.mode=scene`)."""
    key, equals, text = change.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise BadRecipe(f"'{change}' is not KEY=VALUE.", "As in --set exposure.edges=1")
    try:
        value = json.loads(text)
    except ValueError:
        value = text.strip()
    if path[0] == "frame":
        targets, path, names = [data["frame"]], path[1:], _names(Frame)
    else:
        targets, names = data["layers"], _names(Layer)
        if path[0].isdecimal():
            number = int(path[0])
            if not 1 <= number <= len(targets):
                raise BadRecipe(f"The recipe has no layer {number}.", f"It has {len(targets)}, counted from 1.")
            targets, path = [targets[number - 1]], path[1:]
        if path[:1] == ["exposure"] and len(path) == 2:
            targets, path, names = [layer["exposure"] for layer in targets], path[1:], _names(Exposure)
    if len(path) != 1 or path[0] not in names:
        raise BadRecipe(f"The recipe has no field '{key}'.", f"Fields here: {', '.join(names)}.")
    for target in targets:
        target[path[0]] = value


def _names(kind: type) -> list[str]:
    return sorted(f.name for f in fields(kind))


def check_sizes(width: float, height: float, unit: float, texels: int) -> None:
    """Raises BadRecipe for a texture that cannot be so wide, heights so deep or units so long, BadFile for a side no texture is
    made with."""
    if not 1e-4 <= width <= 1e4:
        raise BadRecipe(f"A texture cannot span {width:g} metres.", "Choose a --width from 0.0001 to 10000.")
    if not 1e-6 <= height <= 100:
        raise BadRecipe(f"A height map cannot span {height:g} metres.", "Choose a --height from 0.000001 to 100.")
    if not 1e-6 <= unit <= 1e6:
        raise BadRecipe(f"One unit cannot be {unit:g} metres.", "Choose a --unit from 0.000001 to 1000000.")
    if texels and not 512 <= texels <= 8192:
        raise BadFile(f"Textures of {texels} texels are not made.", "Choose --texels from 512 to 8192.")


def parse_maps(maps: str | None, form: str | None, bits: int, pattern: str | None) -> MapExport | None:
    """The export that the options ask for; None where they ask for none. Raises BadFile."""
    if maps is None:
        if bits or pattern:
            raise BadFile("--bits and --name are for --maps.", "Add --maps plain for a map a file.")
        return None
    given = format_named(form) if form else FileFormat.PNG
    return MapExport(layout_named(maps), given, bits, DEFAULT_PATTERN if pattern is None else pattern)


def parse_part(text: str | None) -> tuple[int, int, int, int] | None:
    """x, y, width and height in texels. Raises BadRecipe."""
    if text is None:
        return None
    numbers = text.replace(" ", "").split(",")
    if len(numbers) != 4 or not all(n.isdecimal() and len(n) < 8 for n in numbers):
        raise BadRecipe(f"'{text}' is no part of a photograph.", "As in --exemplar-part 200,120,512,512")
    x, y, width, height = map(int, numbers)
    return x, y, width, height


def parse_at(texts: list[str] | None) -> tuple[tuple[int, int], ...] | None:
    """x and y of each texel; None for none. Raises BadRecipe."""
    places = []
    for text in texts or ():
        numbers = text.replace(" ", "").split(",")
        if len(numbers) != 2 or not all(n.isdecimal() and len(n) < 8 for n in numbers):
            raise BadRecipe(f"'{text}' is no texel of a photograph.", "As in --at 640,380")
        places.append((int(numbers[0]), int(numbers[1])))
    return tuple(places) or None


def parse_normals(text: str) -> bool | None:
    """Whether normal maps are DirectX's; None to go by their names."""
    choices = {"auto": None, "opengl": False, "directx": True}
    if text.lower() not in choices:
        raise BadFile(f"'{text}' is no kind of normal map.", f"Choose {', '.join(choices)}.")
    return choices[text.lower()]


def parse_wrap(text: str) -> tuple[bool, bool] | None:
    """(rows, columns) continue at the opposite border; None to look at the picture."""
    choices = {"auto": None, "none": (False, False), "x": (False, True), "y": (True, False), "both": (True, True)}
    if text.lower() not in choices:
        raise BadRecipe(f"'{text}' is not a way to wrap.", f"Choose {', '.join(choices)}.")
    return choices[text.lower()]
