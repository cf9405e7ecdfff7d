# SPDX-License-Identifier: GPL-3.0-or-later
"""A Ray cluster, for batches and for the service: found, or said why not."""

from __future__ import annotations

from typing import Any

from .protocol.errors import BackendError


def connect(address: str) -> Any:
    """The package `ray`, connected to the cluster at an address; `auto` finds one, `local` makes one of this machine.

    Raises BackendError without Ray or cluster.
    """
    try:
        import ray
    except ImportError:
        raise BackendError("Ray is not installed here.", 'pip install "sabi-weathering[ray]"') from None
    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    except Exception as error:
        raise BackendError(f"No Ray cluster answers at {address}.", f"Ray says: {first_line(error)}") from None
    return ray


def has(ray: Any, resource: str) -> int:
    """How many of a resource, `GPU` or `CPU`, the whole cluster has."""
    return int(ray.cluster_resources().get(resource, 0))


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
