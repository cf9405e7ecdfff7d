# SPDX-License-Identifier: GPL-3.0-or-later
"""Several cores for numpy, which lets go of the interpreter while it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from typing import TypeVar

_POOL = ThreadPoolExecutor(min(4, cpu_count() or 1), thread_name_prefix="sabi-numpy")
_BESIDE = ThreadPoolExecutor(max(1, (cpu_count() or 1) - 1), thread_name_prefix="sabi-meanwhile")
_T = TypeVar("_T")
_R = TypeVar("_R")


def parallel(function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """`[function(i) for i in items]`, several at a time. `function` must not call this itself: it would wait for itself."""
    return list(_POOL.map(function, items))


def meanwhile(function: Callable[..., _R], *arguments: object) -> Future[_R]:
    """Begin `function(*arguments)` beside what comes next; on two cores one after another, so that no more than two threads
    want the interpreter. `function` must not wait for another of these: it might wait for ever."""
    return _BESIDE.submit(function, *arguments)
