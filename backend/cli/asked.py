# SPDX-License-Identifier: GPL-3.0-or-later
"""What `sabi weather` and `sabi batch` are asked alike: how it should look, where results go, what runs the networks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

from ..files.write import check_suffix
from ..items import Settings, input_files
from ..photographed.exemplar import exemplar_of
from ..protocol.belongs_on import kept_to_materials
from ..protocol.errors import BadRecipe
from ..protocol.recipe import Recipe
from ..protocol.words import EXEMPLAR_WIDTH
from . import options as o


@dataclass(frozen=True)
class Asked:
    """The options that both have, in the order of their help."""

    recipe: o.RecipeOption = None
    effect: o.EffectOption = None
    age: o.AgeOption = None
    seed: o.SeedOption = None
    style: o.StyleOption = None
    exemplar: o.ExemplarOption = None
    exemplar_part: o.ExemplarPartOption = None
    exemplar_width: o.ExemplarWidthOption = EXEMPLAR_WIDTH
    exemplar_source: o.ExemplarSourceOption = ""
    exemplar_licence: o.ExemplarLicenceOption = ""
    size: o.SizeOption = None
    changes: o.SetOption = None
    newest: o.NewestOption = False
    keep: o.KeepOption = False
    out: o.OutOption = None
    overwrite: o.OverwriteOption = False
    format_: o.FormatOption = None
    maps: o.MapsOption = None
    bits: o.BitsOption = 0
    pattern: o.NameOption = None
    texels: o.TexelsOption = 0
    shared_tiles: o.SharedTilesOption = False
    width: o.WidthOption = Settings.width
    height: o.HeightOption = Settings.height
    unit: o.UnitOption = Settings.unit
    wrap: o.WrapOption = "auto"
    normals: o.NormalsOption = "auto"
    device: o.DeviceOption = None
    threads: o.ThreadsOption = None
    server: o.ServerOption = ""
    token: o.TokenOption = ""
    blender_python: o.PythonOption = ""

    def built(self) -> Recipe:
        """The recipe. Raises BadRecipe, BadFile."""
        return self._with_rest(
            o.build_recipe(
                self.recipe, self.effect, self.age, self.seed, self.style, self.size, self.changes, self.newest
            )
        )

    def changed(self, recipe: Recipe) -> Recipe:
        """A recipe from elsewhere with the age, seed, style, size and other fields that were asked for.

        Raises BadRecipe, and BadFile for an exemplar that is none.
        """
        return self._with_rest(
            o.change_recipe(recipe, self.age, self.seed, self.style, self.size, self.changes, self.newest)
        )

    def _with_rest(self, recipe: Recipe) -> Recipe:
        recipe = kept_to_materials(recipe) if self.keep else recipe
        part = o.parse_part(self.exemplar_part)
        if self.exemplar is None:
            if part or self.exemplar_source or self.exemplar_licence:
                raise BadRecipe("There is no exemplar to say this of.", "Name the photograph with --exemplar.")
            return recipe
        exemplar = exemplar_of(self.exemplar, part, self.exemplar_width, self.exemplar_source, self.exemplar_licence)
        return replace(recipe, layers=tuple(replace(layer, exemplar=exemplar) for layer in recipe.layers))

    def settings(self) -> Settings:
        """Raises BadRecipe, BadFile for what no texture can be."""
        o.check_sizes(self.width, self.height, self.unit, self.texels)
        return Settings(
            out=self.out,
            overwrite=self.overwrite,
            read=tuple(input_files(self.exemplar)) if self.exemplar is not None else (),
            suffix=check_suffix(self.format_) if self.format_ else "",
            width=self.width,
            height=self.height,
            unit=self.unit,
            export=o.parse_maps(self.maps, self.format_, self.bits, self.pattern),
            directx=o.parse_normals(self.normals),
            wrap=o.parse_wrap(self.wrap),
            texels=self.texels,
            shared_tiles=self.shared_tiles,
            device=self.device,
            threads=self.threads,
            server=self.server,
            token=self.token,
            blender_python=self.blender_python,
        )


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """The command for typer, with the fields of its parameter `asked` as options in that parameter's place."""

    def run(**given: Any) -> None:
        asked = Asked(**{field.name: given.pop(field.name) for field in fields(Asked)})
        command(asked=asked, **given)

    hints, options = get_type_hints(command, include_extras=True), get_type_hints(Asked, include_extras=True)
    shared = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=options[f.name])
        for f in fields(Asked)
    ]
    own = inspect.signature(command).parameters.values()
    at = [parameter.name for parameter in own].index("asked")
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[p.name]) for p in own]
    parameters[at : at + 1] = shared
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run
