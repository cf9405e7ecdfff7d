# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from sabi.backend.protocol.mask_stack import Combine, Mask
from sabi.backend.weathering.masks import combined, levelled

ONE, OTHER = np.float32([0.0, 0.3, 0.6, 1.0]), np.float32([0.5, 0.5, 0.1, 0.2])


def value(*stack: Mask) -> np.ndarray:
    return combined(stack, lambda mask: {"one": ONE, "other": OTHER}[mask.mask].copy())


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Combine.ADD, np.minimum(ONE + OTHER, 1)),
        (Combine.SUBTRACT, np.maximum(ONE - OTHER, 0)),
        (Combine.MULTIPLY, ONE * OTHER),
    ],
)
def test_a_second_mask_is_combined_with_the_first(how: Combine, expected: np.ndarray) -> None:
    for first in (Combine.ADD, Combine.MULTIPLY):
        assert value(Mask("one", first), Mask("other", how)) == pytest.approx(expected)


def test_alone_it_is_itself_or_cut_out_of_everything() -> None:
    assert value(Mask("one")) == pytest.approx(ONE)
    assert value(Mask("one", Combine.ADD)) == pytest.approx(ONE)
    assert value(Mask("one", Combine.SUBTRACT)) == pytest.approx(1 - ONE)
    assert value() == 1


def test_order_matters_and_is_kept() -> None:
    add, subtract = Mask("other", Combine.ADD), Mask("other", Combine.SUBTRACT)
    first, second = value(Mask("one"), add, subtract), value(Mask("one"), subtract, add)
    assert first == pytest.approx(np.clip(np.minimum(ONE + OTHER, 1) - OTHER, 0, 1))
    assert np.abs(first - second).max() > 0.1


def test_levels_stretch_then_bend_then_turn_round() -> None:
    mask = Mask("one", low=0.2, high=0.8, gamma=2.0)
    assert levelled(mask, ONE) == pytest.approx(np.clip((ONE - 0.2) / 0.6, 0, 1) ** 0.5)
    assert levelled(Mask("one", invert=True, low=0.2, high=0.8, gamma=2.0), ONE) == pytest.approx(
        1 - np.clip((ONE - 0.2) / 0.6, 0, 1) ** 0.5
    )
    assert levelled(Mask("one"), np.float32([-1, 2])) == pytest.approx([0, 1])
