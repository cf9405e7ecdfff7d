# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's masks evaluated: the formula of protocol/mask_stack.py over texels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..protocol.mask_stack import Combine, Mask, begins_with


def combined(stack: Sequence[Mask], values: Callable[[Mask], np.ndarray]) -> np.ndarray:
    """Where a layer may act, float32 0..1 [n]; `values` gives a mask's texels, float32 [n], of which it may keep none."""
    total: np.ndarray | np.float32 = np.float32(begins_with(stack))
    for mask in stack:
        value = levelled(mask, values(mask))
        if mask.combine is Combine.MULTIPLY:
            total = total * value
        else:
            total = np.clip(total + value if mask.combine is Combine.ADD else total - value, 0, 1)
    return np.asarray(total, np.float32)


def levelled(mask: Mask, values: np.ndarray) -> np.ndarray:
    """A mask's texels by its levels and turned round where it is inverted, 0..1."""
    if mask.levelled:
        values = (values - np.float32(mask.low)) * np.float32(1 / (mask.high - mask.low))
    values = np.clip(values, 0, 1)
    if mask.gamma != 1:
        values = values ** np.float32(1 / mask.gamma)
    return 1 - values if mask.invert else values
