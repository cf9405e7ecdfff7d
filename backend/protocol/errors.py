# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failure Sabi reports: one sentence, a hint, a code for programs. Caught at the operator and at the server's edge."""

from __future__ import annotations

import errno
from typing import ClassVar

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


class SabiError(Exception):
    """Root of all errors. `message` is one sentence for a person, `hint` what to do about it.

    `code` is stable across versions and travels over the wire; `status` is the HTTP status it travels with.
    """

    code: ClassVar[str] = "sabi"
    status: ClassVar[int] = 500
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    @property
    def for_artist(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "hint": self.hint}

    @staticmethod
    def from_dict(data: object) -> SabiError:
        """The error that `to_dict` described; an unknown code becomes a plain SabiError, never an exception of its own."""
        data = data if isinstance(data, dict) else {}
        kind = _BY_CODE.get(str(data.get("code")), SabiError)
        error = kind.__new__(kind)
        SabiError.__init__(
            error, str(data.get("message") or "The backend failed without saying why."), str(data.get("hint") or "")
        )
        return error


class BadSurface(SabiError):
    """A map or surface that cannot be what it says: sizes, channels, NaN, range."""

    code = "bad_surface"
    status = 422
    default_hint = "Check the maps that were given, and give those that fit."


class MissingMap(BadSurface):
    """A stage needs a map that the surface lacks."""

    code = "missing_map"

    def __init__(self, name: str, message: str = "", hint: str = "") -> None:
        super().__init__(message or f"The surface has no {name} map.", hint or f"Capture or supply the {name} map.")
        self.name = name


class TooLarge(SabiError):
    """More texels, bytes or a larger dimension than the limits allow; nothing was allocated."""

    code = "too_large"
    status = 413
    default_hint = "Choose a smaller size, at most 8192 texels a side by default."


class BadRecipe(SabiError):
    """A recipe that is not valid: unknown effect, age outside 0..1, wrong types, schema too new."""

    code = "bad_recipe"
    status = 422


class BadRules(SabiError):
    """A table of rules that is not valid; the message names the rule."""

    code = "bad_rules"
    status = 422


class BadMessage(SabiError):
    """Bytes that are not what the wire carries: truncated, garbage, an absurd header."""

    code = "bad_message"
    status = 400
    default_hint = "Check that both ends are Sabi of the same version."


class BadFile(SabiError):
    """An image, scene or recipe file that cannot be read, or a destination that cannot be written."""

    code = "bad_file"
    status = 422


class FileExists(BadFile):
    """The destination is there already and was not to be replaced; it is untouched."""

    code = "file_exists"
    default_hint = "Choose another name, or ask for files to be overwritten."


class DiskFull(BadFile):
    """No room for what was to be written; nothing half-written stays."""

    code = "disk_full"
    status = 507
    default_hint = "Free some space and try again; nothing was written."


class NetworkError(SabiError):
    """A .onnx file that is corrupt, foreign or missing."""

    code = "network"
    default_hint = "Reinstall Sabi, or remove the file from the networks folder."


class UnknownNetwork(NetworkError):
    """A recipe was made with a network that this version does not have. `successor` is the sha256 of the one it has, or ""."""

    code = "unknown_network"
    status = 409
    successor = ""


class DeviceError(SabiError):
    """The device asked for does not run."""

    code = "device"
    status = 503
    default_hint = "Run `sabi doctor` to see what is missing, or choose the device auto."


class OutOfMemory(DeviceError):
    """Main memory or the GPU's ran out, also with the smallest tiles."""

    code = "out_of_memory"
    status = 507
    default_hint = "Choose a smaller size, or close other programs that use the memory."


class Cancelled(SabiError):
    """Somebody stopped it: Esc, Ctrl-C, or a DELETE."""

    code = "cancelled"
    status = 409
    default_hint = "Nothing was changed."

    def __init__(self, message: str = "Weathering was cancelled.", hint: str = "") -> None:
        super().__init__(message, hint)


class Busy(SabiError):
    """The server's queue is full."""

    code = "busy"
    status = 429
    default_hint = "Wait for a job to end and try again."


class TooSlow(SabiError):
    """A message that came too slowly, or stopped; what was received of it is dropped."""

    code = "too_slow"
    status = 408
    default_hint = "Check the network between here and the backend, and try again."


class NotFound(SabiError):
    """No such job, map or path on the server."""

    code = "not_found"
    status = 404


class Unauthorized(SabiError):
    """The token is missing or wrong, or cannot be sent."""

    code = "unauthorized"
    status = 401
    default_hint = "Set the server's token in the preferences, or in SABI_TOKEN."


class BackendError(SabiError):
    """The backend process or server cannot be used."""

    code = "backend"
    status = 503


class BackendNotInstalled(BackendError):
    """There is no Python for the child process, or packages that it needs are missing."""

    code = "backend_not_installed"
    default_hint = (
        "Install the full extension zip for your platform, or name an environment with Sabi in the preferences."
    )


class BackendNotStarting(BackendError):
    """The child process ended, or said nothing, before it listened."""

    code = "backend_not_starting"
    default_hint = "Run `sabi doctor`, and see Copy Diagnostics in the preferences."


class BackendGone(BackendError):
    """The backend ended or stopped answering while it was needed."""

    code = "backend_gone"
    default_hint = "Nothing was changed. Press Weather again; where the preferences name a server, see that it runs."


class ProtocolMismatch(BackendError):
    """The two ends speak different versions of the protocol (wire.PROTOCOL_VERSION)."""

    code = "protocol_mismatch"
    status = 409
    default_hint = "Update the older of the two: add-on and backend must be of the same version."


class SceneError(SabiError):
    """Something in the Blender scene cannot be weathered as it is."""

    code = "scene"
    status = 422


def is_disk_full(error: BaseException) -> bool:
    """Whether what kept a file from being written is that there is no room for it."""
    return isinstance(error, OSError) and error.errno in _FULL


def _family(kind: type[SabiError]) -> list[type[SabiError]]:
    return [kind, *(member for child in kind.__subclasses__() for member in _family(child))]


_BY_CODE = {kind.code: kind for kind in _family(SabiError)}
