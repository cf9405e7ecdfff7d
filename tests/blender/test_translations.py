# SPDX-License-Identifier: GPL-3.0-or-later
"""Every string that panels, operators and preferences show has a Japanese one; names of things in it are kept."""

import ast
from pathlib import Path

import bpy
from bl_ext.user_default.sabi import addon
from bl_ext.user_default.sabi.addon.interface import translations
from bl_ext.user_default.sabi.addon.recipe import effects, mask_kinds, presets

FOLDER = Path(addon.__file__).parent
PROPER = {
    "Sabi",
    "Blender",
    "Unreal",
    "Unity",
    "glTF",
    "PNG",
    "TIFF",
    "OpenEXR",
    "WebP",
    "CUDA",
    "TensorRT",
    "DirectML",
    "Core ML",
    "Python",
    "512",
    "1024",
    "2048",
    "4096",
    "8192",
}
BLENDERS = (bpy.types.Operator, bpy.types.PropertyGroup, bpy.types.AddonPreferences)
FIRST = {"label": (), "poll_message_set": (0,), "said": (0,), "Problem": (0,), "Remedy": (1,), "report": (1,)}


def ours(*kinds) -> list[type]:
    """What Sabi has registered of these kinds, whatever it is called."""
    theirs = f"{addon.__name__}."
    return [c for kind in kinds for c in kind.__subclasses__() if c.is_registered and c.__module__.startswith(theirs)]


def rna_of(kind: type):
    """What Blender knows of a class; of an operator there it is besides."""
    if not issubclass(kind, bpy.types.Operator):
        return kind.bl_rna
    group, _, verb = kind.bl_idname.partition(".")
    return getattr(getattr(bpy.ops, group), verb).get_rna_type()


def own(rna) -> list[bpy.types.Property]:
    """A class's own properties, but what is hidden."""
    theirs = {made.identifier for kind in BLENDERS for made in kind.bl_rna.properties}
    return [made for made in rna.properties if made.identifier not in theirs and not made.is_hidden]


def of_properties(rna) -> set[str]:
    """Names and tooltips of a class's own properties and of their fixed choices."""
    found = set()
    for made in own(rna):
        found |= {made.name, made.description}
        if made.type == "ENUM":
            found |= {text for item in made.enum_items for text in (item.name, item.description)}
    return found


def registered() -> set[str]:
    """What Blender has been told of: labels and tooltips of operators, panels, properties."""
    found = {kind.bl_label for kind in ours(bpy.types.Panel, bpy.types.Operator)}
    for kind in ours(*BLENDERS):
        found |= of_properties(rna_of(kind))
        if issubclass(kind, bpy.types.Operator):
            found.add(rna_of(kind).description)
    items = [*mask_kinds.KINDS, *presets.items(), *effects.EFFECTS]
    return found | {text for item in items for text in item[1:3]} | {effects.TAUGHT, effects.UNPAINTED}


def literal(node: ast.AST) -> list[str]:
    """The strings that an expression may be; an f-string counts, as one that nobody can translate."""
    if isinstance(node, ast.IfExp):
        return literal(node.body) + literal(node.orelse)
    if isinstance(node, ast.JoinedStr):
        return [f"line {node.lineno}: {ast.unparse(node)}"]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def written(source: str) -> set[str]:
    """The strings that code hands to Blender to be shown."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in FIRST:
            found |= {text for place in FIRST[name] for arg in node.args[place : place + 1] for text in literal(arg)}
        found |= {text for key in node.keywords if key.arg in ("text", "heading") for text in literal(key.value)}
    return found


def shown() -> set[str]:
    files = [path for path in FOLDER.rglob("*.py") if path.name != "translations.py" and path.parent.name != "demo"]
    texts = registered().union(*(written(path.read_text(encoding="utf-8")) for path in files))
    return {text for text in texts if text.strip()} - PROPER


def test_every_string_is_in_japanese():
    missing = sorted(shown() - set(translations.JAPANESE))
    assert not missing, "\n".join(missing)


def test_nothing_shown_lacks_a_tooltip():
    known = {kind.__name__: rna_of(kind) for kind in ours(*BLENDERS)}
    assert {"SABI_OT_weather", "SABI_PG_mask", "SABI_PG_point", "SABI_AP_preferences"} <= set(known)
    bare = [name for name, rna in known.items() if name.startswith("SABI_OT_") and not rna.description]
    bare += [f"{name}.{made.identifier}" for name, rna in known.items() for made in own(rna) if not made.description]
    assert bare == []


def test_paths_may_begin_with_the_folder_of_the_file():
    """Each is made absolute before it is used; from 4.5 on Blender warns where that is not said of it.

    A user's own Python has no such folder, and what the file browser gives is Blender's own.
    """
    known = {kind.__name__: rna_of(kind) for kind in ours(*BLENDERS)}
    paths = {
        f"{name}.{made.identifier}": getattr(made, "is_path_supports_blend_relative", True)
        for name, rna in known.items()
        for made in own(rna)
        if made.subtype in ("FILE_PATH", "DIR_PATH")
    }
    assert {"SABI_OT_export_maps.directory", "SABI_OT_timelapse.video", "SABI_AP_preferences.python"} <= set(paths)
    not_said = {name for name, may in paths.items() if not may}
    assert not_said <= {"SABI_AP_preferences.python", "SABI_OT_recipe_save.filepath"}


def test_the_walk_finds_strings():
    source = 'l.label(text="A")\nself.report({"INFO"}, f"{x} B")\ncls.poll_message_set("C" if x else "D")\nsaid("E {}")'
    assert written(source) == {"A", "line 2: f'{x} B'", "C", "D", "E {}"}
    assert {"Weather", "Rust", "Dust and grime that settles on top and in cavities", "Vertex Group"} <= shown()
    assert len(shown()) > 150


def test_translations_keep_names_and_end_in_no_full_stop():
    for said, japanese in translations.JAPANESE.items():
        assert japanese.count("{}") == said.count("{}"), said
        assert japanese.strip() == japanese != "", said
        assert not japanese.endswith("。"), said


def test_blender_shows_them():
    view = bpy.context.preferences.view
    before = view.language
    try:
        view.language = "ja_JP"
    except TypeError:  # a bpy without languages
        assert "ja_JP" not in bpy.app.translations.locales
        return
    try:
        view.use_translate_interface = view.use_translate_tooltips = True
        assert bpy.app.translations.pgettext_iface("Peeling Paint") == "剥がれた塗装"
        assert bpy.app.translations.pgettext_iface("Weather", "Operator") == "風化させる"
        translations.unregister()
        assert bpy.app.translations.pgettext_iface("Peeling Paint") == "Peeling Paint"
        translations.register()
    finally:
        view.language = before
