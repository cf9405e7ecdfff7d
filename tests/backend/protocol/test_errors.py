# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from sabi.backend.protocol import errors
from sabi.backend.protocol.errors import MissingMap, SabiError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SabiError)]


def test_codes_tell_the_errors_apart() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_over_the_wire(kind: type[SabiError]) -> None:
    sent = kind("roughness") if kind is MissingMap else kind("It broke.", "Mend it.")
    got = SabiError.from_dict(sent.to_dict())
    assert type(got) is kind
    assert got.for_artist == sent.for_artist


@pytest.mark.parametrize("data", [None, [], {}, {"code": 7}, {"code": "from_the_future", "message": "New."}])
def test_what_is_not_an_error_becomes_a_plain_one(data: object) -> None:
    got = SabiError.from_dict(data)
    assert type(got) is SabiError
    assert got.message
