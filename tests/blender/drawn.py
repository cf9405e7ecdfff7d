# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels drawn without a window: a layout that checks what it is asked for as Blender would, and remembers it."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
from bl_ext.user_default.sabi.addon.interface import panels

ICONS = {item.identifier for item in bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items}


class Layout:
    """What was drawn, in order: labels, (property's owner, property), (operator, text, settings)."""

    def __init__(self, root: Layout | None = None) -> None:
        root = root or self
        object.__setattr__(self, "root", root)
        if root is self:
            self.labels: list[str] = []
            self.props: list[tuple[str, str]] = []
            self.operators: list[tuple[str, str, dict[str, object]]] = []

    def row(self, **_how: object) -> Layout:
        return Layout(self.root)

    column = box = grid_flow = split = row

    def separator(self, **_how: object) -> None:
        pass

    def label(self, *, text: str = "", icon: str = "NONE", translate: bool = True) -> None:
        assert icon in ICONS, icon
        self.root.labels.append(text)

    def prop(self, data: object, name: str, *, icon: str = "NONE", **_how: object) -> None:
        assert name in data.bl_rna.properties, f"{data} has no {name}"
        assert icon in ICONS, icon
        getattr(data, name)
        self.root.props.append((type(data).__name__, name))

    def prop_search(self, data: object, name: str, where: object, what: str, **how: object) -> None:
        getattr(where, what)
        self.prop(data, name, **how)

    def template_icon_view(self, data: object, name: str, **_how: object) -> None:
        self.prop(data, name)

    def template_list(self, kind: str, _id: str, data: object, name: str, active: object, index: str, **_how) -> None:
        assert hasattr(bpy.types, kind)
        for place, item in enumerate(getattr(data, name)):
            getattr(panels, kind).draw_item(None, None, self, data, item, 0, active, index, place)

    def progress(self, *, factor: float, text: str) -> None:
        self.root.labels.append(text)

    def operator(self, name: str, *, text: str = "", icon: str = "NONE") -> object:
        assert icon in ICONS, icon
        group, _, verb = name.partition(".")
        known = getattr(getattr(bpy.ops, group), verb).get_rna_type().properties
        settings: dict[str, object] = {}

        class Button:
            def __setattr__(self, key: str, value: object) -> None:
                assert key in known, f"{name} has no {key}"
                settings[key] = value

        self.root.operators.append((name, text, settings))
        return Button()

    def operator_menu_enum(self, name: str, enum: str, *, text: str = "", icon: str = "NONE") -> None:
        self.operator(name, text=text, icon=icon)

    @property
    def pressable(self) -> set[str]:
        return {name for name, _, _ in self.root.operators}


def context(**more: object) -> SimpleNamespace:
    """What a panel sees of the context in a background Blender."""
    now = bpy.context
    given = {name: getattr(now, name) for name in ("scene", "selected_objects", "object", "mode", "view_layer")}
    return SimpleNamespace(**(given | {"space_data": None, "region": SimpleNamespace(width=300)} | more))


def draw(panel: type, **more: object) -> Layout:
    """What a panel draws now."""
    layout = Layout()
    seen = SimpleNamespace(layout=layout)
    if hasattr(panel, "layer"):
        seen.layer = lambda context: panel.layer(seen, context)
    panel.draw(seen, context(**more))
    return layout
