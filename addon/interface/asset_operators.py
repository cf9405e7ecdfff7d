# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators and the panel that bring recipes into the asset browser, and from there onto objects."""

from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import BoolProperty, StringProperty
from bpy_extras.asset_utils import SpaceAssetInfo

from ..versions import RELATIVE_PATH
from .operators import reporting

KEY = "sabi_recipe"  # as in recipe_assets, which is imported by the operator that runs


class SABI_OT_assets_show(bpy.types.Operator):
    """Put the presets into an asset library of their own, named Sabi, for the asset browser"""

    bl_idname = "sabi.assets_show"
    bl_label = "Presets to Asset Browser"

    @reporting
    def execute(self, _context: bpy.types.Context) -> set[str]:
        from ..recipe import recipe_assets

        recipe_assets.write_presets()
        self.report({"INFO"}, said("The recipes are in the asset library '{}'").format(recipe_assets.library().name))
        _refresh()
        return {"FINISHED"}


class SABI_OT_recipe_publish(bpy.types.Operator):
    """Save the recipe as an asset: a file of its own in the asset library Sabi, with a picture"""

    bl_idname = "sabi.recipe_publish"
    bl_label = "Recipe to Asset Browser"

    name: StringProperty(name="Name", description="What the asset is called", options={"SKIP_SAVE"})
    picture: StringProperty(
        name="Picture",
        description="An image file to be its thumbnail; empty for that of the preset most like it",
        subtype="FILE_PATH",
        options={"SKIP_SAVE", *RELATIVE_PATH},
    )
    overwrite: BoolProperty(
        name="Replace", description="Replace the asset where there is one of that name", options={"SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.name = self.name or context.scene.sabi.recipe_name
        return context.window_manager.invoke_props_dialog(self)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe import recipe_assets
        from ..recipe.conversion import recipe_of

        recipe = recipe_of(context.scene.sabi)
        name = self.name or recipe.title
        picture = Path(bpy.path.abspath(self.picture)) if self.picture else recipe_assets.picture_for(recipe)
        path = recipe_assets.publish(recipe_assets.RecipeAsset(name, recipe, picture), self.overwrite)
        recipe_assets.library()
        self.report({"INFO"}, said("Saved {}").format(path))
        _refresh()
        return {"FINISHED"}


class SABI_OT_recipe_from_asset(bpy.types.Operator):
    """Make the chosen asset's recipe the scene's"""

    bl_idname = "sabi.recipe_from_asset"
    bl_label = "Take Recipe"
    bl_options = {"REGISTER", "UNDO"}

    recipe_json: StringProperty(name="Recipe", description="A recipe as JSON", options={"SKIP_SAVE"})

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...backend.protocol.recipe import Recipe
        from ..recipe.conversion import fill

        fill(context.scene.sabi, Recipe.from_json(self.recipe_json))
        return {"FINISHED"}


class SABI_PT_asset(bpy.types.Panel):
    """What can be done with an asset that is a recipe"""

    bl_space_type = "FILE_BROWSER"
    bl_region_type = "TOOL_PROPS"
    bl_label = "Sabi"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return SpaceAssetInfo.is_asset_browser_poll(context) and bool(chosen(context))

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.operator("sabi.weather", icon="SHADERFX").recipe_json = chosen(context)
        column.operator("sabi.recipe_from_asset", icon="EYEDROPPER").recipe_json = chosen(context)


def chosen(context: bpy.types.Context) -> str:
    """The recipe of the asset that the browser shows as chosen, as JSON; "" where it is none."""
    asset = getattr(context, "asset", None)
    return asset.metadata.get(KEY, "") if asset is not None else ""


def _refresh() -> None:
    """Has the asset browsers that are open look again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if SpaceAssetInfo.is_asset_browser(area.spaces.active):
                with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
                    bpy.ops.asset.library_refresh()


_CLASSES = (SABI_OT_assets_show, SABI_OT_recipe_publish, SABI_OT_recipe_from_asset, SABI_PT_asset)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
