# SPDX-License-Identifier: GPL-3.0-or-later
"""A network's card: what it says of itself, embedded in its ONNX file as JSON under CARD_KEY. No code branches on a name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from ..protocol.errors import NetworkError
from ..protocol.header import CARD_KEY as CARD_KEY

CARD_VERSION = 1


class Noise(NamedTuple):
    """A noise input of a network: `channels` numbers for every `stride` texels, from a lattice of random numbers.

    Lattice points lie `spacing` texels apart (0: `stride`), and `stretch` times as far along gravity.
    """

    stride: int
    channels: int
    spacing: float = 0.0
    stretch: float = 1.0


@dataclass(frozen=True)
class Card:
    """`inputs` and `outputs`: name -> the channels in order. `noise`: input name -> what it reads.

    Heights and widths must be multiples of `multiple`; `overlap` texels at each border depend on what lies beyond it.
    `texels_per_feature`: effect -> how many texels one flake, tuft or stain has at the scale the network was trained at.
    `styles`: effect -> style name -> code. `confident`: of a level of the segmenter, from which confidence of the least confident
    tenth of the texels on no deeper level is asked; above 1: always.
    `training`: whatever made the weights (data hash, options, minutes, device).
    """

    name: str
    version: str
    inputs: Mapping[str, list[str]]
    outputs: Mapping[str, list[str]]
    multiple: int
    overlap: int
    noise: Mapping[str, Noise] = field(default_factory=dict)
    texels_per_feature: Mapping[str, float] = field(default_factory=dict)
    styles: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)
    confident: float = 2.0
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "GPL-3.0-or-later"

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", {name: Noise(*values) for name, values in self.noise.items()})

    def to_json(self) -> str:
        return json.dumps({"sabi_card": CARD_VERSION, **asdict(self)})

    @staticmethod
    def from_json(text: str) -> Card:
        """Raises NetworkError where the card is missing fields or not JSON."""
        try:
            data = json.loads(text)
            if data.pop("sabi_card") != CARD_VERSION:
                raise NetworkError("The network's card is of another version of Sabi.", "Update Sabi or the network.")
            known = {f.name for f in fields(Card)}
            return Card(**{name: value for name, value in data.items() if name in known})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise NetworkError("The network's card cannot be read.", "The file is not a network of Sabi's.") from None
