# SPDX-License-Identifier: GPL-3.0-or-later
"""Which networks there are: the *.onnx files of a folder, checked before they are trusted and loaded when first used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ..protocol.errors import DeviceError, NetworkError, SabiError, UnknownNetwork
from ..protocol.header import read_header
from ..protocol.recipe import Recipe
from .card import CARD_KEY, Card
from .device import Device, Options
from .session import Session

FOLDER = Path(__file__).parent
MAX_OPSET = 18  # the CUDA provider lacked operators of later ones for years
MAX_BYTES = 64 << 20
LATTICE = (0.25, 256.0)  # within these may lie the texels between lattice points, and their stretch


@dataclass(frozen=True)
class Network:
    """A file that was found good: its card, and the sha256 that recipes name it by."""

    path: Path
    sha256: str
    card: Card


class Networks:
    """The networks of one folder. Files that are no good stand in `problems` and are otherwise left alone.

    Safe to use from several threads. Sessions are made when first used and kept until `release`.
    """

    def __init__(
        self, found: tuple[Network, ...], problems: tuple[SabiError, ...] = (), options: Options | None = None
    ) -> None:
        self.found = found
        self.problems = problems
        self.options = options or Options()
        self._loaded = _Loaded()

    @staticmethod
    def load(
        *,
        device: Device | str | None = None,
        folder: str | Path | None = None,
        threads: int | None = None,
        memory_limit: int | None = None,
    ) -> Networks:
        """The networks of `folder`, of SABI_NETWORKS, or those that ship with Sabi. Nothing is loaded onto a device yet.

        Raises DeviceError when the device has no such name; a folder without networks is an error only once one is used.
        """
        options = Options.choose(device, threads, memory_limit)
        found, problems = [], []
        for path in sorted(Path(folder or os.environ.get("SABI_NETWORKS") or FOLDER).glob("*.onnx")):
            try:
                found.append(examine(path))
            except SabiError as error:
                problems.append(error)
        return Networks(tuple(found), tuple(problems), options)

    @property
    def painter(self) -> Session:
        return self["painter"]

    @property
    def hashes(self) -> dict[str, str]:
        """Name -> sha256 of the networks that are used unless a recipe names others."""
        return {network.card.name: network.sha256 for network in sorted(self.found, key=_age)}

    def __contains__(self, name: str) -> bool:
        return name in self.hashes

    def __getitem__(self, name: str) -> Session:
        """The session of a network, made at its first use. Raises NetworkError or DeviceError."""
        return self._session(self.newest(name))

    def newest(self, name: str) -> Network:
        """The newest network of that name. Raises NetworkError, with what is wrong with the files that are no good."""
        named = [network for network in self.found if network.card.name == name]
        if named:
            return max(named, key=_age)
        if self.problems:
            raise NetworkError(f"There is no network '{name}': {self.problems[0].message}", self.problems[0].hint)
        raise NetworkError(
            f"There is no network '{name}'.", "Reinstall Sabi, or set SABI_NETWORKS to a folder that has it."
        )

    def for_recipe(self, recipe: Recipe) -> Networks:
        """These networks with those that `recipe` was made with in the first place; sessions are shared.

        Raises UnknownNetwork when one of them is not here; its `successor` is the sha256 of the one that is.
        """
        chosen = dict(self.hashes)
        for name, sha256 in recipe.networks.items():
            if any(network.sha256 == sha256 for network in self.found):
                chosen[name] = sha256
                continue
            try:
                successor = self.newest(name)
            except NetworkError:
                raise UnknownNetwork(
                    f"The recipe was made with the network '{name}' ({sha256[:12]}), which this Sabi does not have.",
                    "Install the version of Sabi that the recipe was made with.",
                ) from None
            error = UnknownNetwork(
                f"The recipe was made with another '{name}' ({sha256[:12]}) than this Sabi has.",
                f"Its successor is {name} {successor.card.version} ({successor.sha256[:12]}); shapes may differ. To use it, "
                "remove the recipe's networks.",
            )
            error.successor = successor.sha256
            raise error
        pinned = Networks(tuple(n for n in self.found if chosen[n.card.name] == n.sha256), self.problems, self.options)
        pinned._loaded = self._loaded
        return pinned

    @property
    def device(self) -> Device | None:
        """What the last session that was made runs on; None before the first, or when it could not be made."""
        return self._loaded.device

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not on another device."""
        return self._loaded.reasons

    def loaded(self) -> dict[str, Session]:
        """The sessions made so far, by the networks' sha256."""
        with self._loaded.lock:
            return dict(self._loaded.sessions)

    def release(self) -> None:
        """Forget all sessions and give their memory back; the next use loads anew."""
        with self._loaded.lock:
            for session in self._loaded.sessions.values():
                with contextlib.suppress(SabiError):  # a device that fails now will say so when it is used
                    session.shrink()
            self._loaded.sessions.clear()

    def _session(self, network: Network) -> Session:
        with self._loaded.lock:
            if network.sha256 not in self._loaded.sessions:
                model = _read(network.path)
                if hashlib.sha256(model).hexdigest() != network.sha256:
                    raise NetworkError(
                        f"{network.path.name} changed while Sabi was running.", "Start the backend again."
                    )
                try:
                    session = Session(model, network.card, self.options, network.path.name)
                except DeviceError as error:
                    self._loaded.device, self._loaded.reasons = None, (error.message,)
                    raise
                self._loaded.sessions[network.sha256] = session
            session = self._loaded.sessions[network.sha256]
            self._loaded.device, self._loaded.reasons = session.device, session.reasons
            return session


@dataclass
class _Loaded:
    """What one folder's Networks share, also when pinned to a recipe."""

    sessions: dict[str, Session] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    device: Device | None = None
    reasons: tuple[str, ...] = ()


def examine(path: Path) -> Network:
    """Check a file without loading it. Raises NetworkError: unreadable, not ONNX, of a later opset, without Sabi's card."""
    model = _read(path)
    try:
        header = read_header(model)
        opset = header.opsets.get("", header.opsets.get("ai.onnx", 0))
        if opset > MAX_OPSET:
            raise NetworkError(
                f"It uses ONNX opset {opset}; Sabi runs up to {MAX_OPSET}.", f"Export it again with opset {MAX_OPSET}."
            )
        if CARD_KEY not in header.metadata:
            raise NetworkError("It has no card: it is not a network of Sabi's.", "Remove it from the networks folder.")
        card = Card.from_json(header.metadata[CARD_KEY])
        _check_card(card)
    except NetworkError as error:
        raise NetworkError(f"{path.name} cannot be used. {error.message}", error.hint) from None
    return Network(path, hashlib.sha256(model).hexdigest(), card)


def _check_card(card: Card) -> None:
    strides = [noise.stride for noise in card.noise.values()]
    counts = (card.multiple, card.overlap, *strides, *(noise.channels for noise in card.noise.values()))
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in counts)
    if not (
        whole
        and card.multiple > 0
        and min(strides, default=1) > 0
        and card.overlap >= 0
        and card.overlap % card.multiple == 0
    ):
        raise NetworkError("Its card has no valid multiple and overlap.")
    sizes = [size for noise in card.noise.values() for size in (noise.spacing or noise.stride, noise.stretch)]
    sound = all(isinstance(size, int | float) and LATTICE[0] <= size <= LATTICE[1] for size in sizes)
    if (
        not (sound and set(card.noise) <= set(card.inputs))
        or any(card.multiple % stride for stride in strides)
        or any(noise.channels < 1 for noise in card.noise.values())
    ):
        raise NetworkError("Its card describes its noise inputs wrongly.")
    if not (isinstance(card.inputs, dict) and isinstance(card.outputs, dict) and card.inputs and card.outputs):
        raise NetworkError("Its card names no inputs or outputs.")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise NetworkError(f"{path.name} is larger than a network of Sabi's can be.")
        return path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{path.name} cannot be read: {error.strerror or error}.") from error


def _age(network: Network) -> tuple[tuple[int, ...], str]:
    """Sorts by version; files of one version in a fixed order."""
    numbers = tuple(int(part) for part in network.card.version.split(".") if part.isdecimal())
    return numbers, network.sha256
