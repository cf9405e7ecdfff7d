# SPDX-License-Identifier: GPL-3.0-or-later
"""What the smaller networks are built of."""

from __future__ import annotations

import torch
from torch import nn


def two_convolutions(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """3 x 3 each, with ReLU, the first with the stride; their weights keep the deviation of what comes in (He et al. 2015).

    Of torch's own, made for other activations, each layer leaves two fifths: ten layers on little is left but biases.
    """
    first, second = nn.Conv2d(inputs, outputs, 3, stride, 1), nn.Conv2d(outputs, outputs, 3, 1, 1)
    for convolution in (first, second):
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        convolution.bias = nn.Parameter(torch.zeros(outputs))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
