# SPDX-License-Identifier: GPL-3.0-or-later
"""Every string that panels, operators and preferences show has a Japanese one; names of things in it are kept."""

import ast
from pathlib import Path

import bpy
from bl_ext.user_default.sabi import addon
from bl_ext.user_default.sabi.addon import preferences
from bl_ext.user_default.sabi.addon.exports import export_settings
from bl_ext.user_default.sabi.addon.interface import translations
from bl_ext.user_default.sabi.addon.recipe import effects, mask_kinds, presets, properties

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
GROUPS = (
    properties.SABI_PG_exposure,
    properties.SABI_PG_layer,
    properties.SABI_PG_scene,
    export_settings.SABI_PG_export,
    preferences.SABI_AP_preferences,
)
BLENDERS = (bpy.types.Operator, bpy.types.PropertyGroup, bpy.types.AddonPreferences)
FIRST = {"label": (), "poll_message_set": (0,), "said": (0,), "Problem": (0,), "Remedy": (1,), "report": (1,)}


def of_properties(rna) -> set[str]:
    """Names and tooltips of a class's own properties and of their fixed choices."""
    theirs = {made.identifier for kind in BLENDERS for made in kind.bl_rna.properties}
    found = set()
    for made in rna.properties:
        if made.identifier in theirs or made.is_hidden:
            continue
        found |= {made.name, made.description}
        if made.type == "ENUM":
            found |= {text for item in made.enum_items for text in (item.name, item.description)}
    return found


def registered() -> set[str]:
    """What Blender has been told of: labels and tooltips of operators, panels, properties."""
    found = set()
    for name in dir(bpy.types):
        kind = getattr(bpy.types, name)
        if name.startswith("SABI_PT_"):
            found.add(kind.bl_label)
        if name.startswith("SABI_OT_"):
            group, _, verb = kind.bl_idname.partition(".")
            rna = getattr(getattr(bpy.ops, group), verb).get_rna_type()
            found |= {kind.bl_label, rna.description} | of_properties(rna)
    for group in GROUPS:
        found |= of_properties(group.bl_rna)
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
