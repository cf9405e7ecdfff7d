# SPDX-License-Identifier: GPL-3.0-or-later
"""Training composites by the formula that the backend and the node group evaluate."""

import numpy as np
import torch

from sabi.backend.protocol import growth
from sabi.export_onnx import composite

AGE = torch.tensor(0.7).view(1, 1, 1, 1)


def test_degree_is_growths():
    exposure = np.linspace(0, 1, 101, dtype=np.float32)
    ours = composite.degree_at(torch.from_numpy(exposure).view(1, 1, 1, -1), AGE)[0, 0, 0].numpy()
    np.testing.assert_allclose(ours, growth.degree(exposure, 0.7), atol=1e-6)


def test_exposure_for_undoes_degree():
    degree = torch.linspace(0.05, 0.8, 50).view(1, 1, 1, -1)
    again = composite.degree_at(composite.exposure_for(degree, AGE), AGE)
    torch.testing.assert_close(again, degree, atol=1e-5, rtol=0)


def test_coverage_and_keys_are_growths():
    generator = torch.Generator().manual_seed(0)
    painted = torch.rand(1, 11, 16, 16, generator=generator)
    painted[:, 1] = 0.225 + 0.375 * painted[:, 1]
    degree = torch.rand(1, 1, 16, 16, generator=generator)
    depth = (degree - painted[:, :1]).numpy()
    expected = growth.coverage(depth, painted[:, 1:2].numpy())
    np.testing.assert_allclose(composite.coverage(painted, degree).numpy(), expected, atol=1e-6)
    thin, thick = (composite.to_linear(painted[:, a:b]).numpy() for a, b in ((2, 5), (5, 8)))
    albedo = thin + (thick - thin) * growth.key_position(depth)
    np.testing.assert_allclose(composite.layer_at(painted, degree)[:, :3].numpy(), albedo, atol=1e-5)


def test_base_stays_where_nothing_covers():
    painted = torch.full((1, 11, 8, 8), 0.5)
    base = torch.rand(1, 6, 8, 8, generator=torch.Generator().manual_seed(1))
    maps, cover = composite.weathered(painted, base, torch.full((1, 1, 8, 8), 0.4))
    assert float(cover.max()) == 0
    torch.testing.assert_close(maps, base, atol=1e-5, rtol=0)


def test_srgb_there_and_back():
    values = torch.linspace(0, 1, 256)
    torch.testing.assert_close(composite.to_srgb(composite.to_linear(values)), values, atol=2e-4, rtol=0)
