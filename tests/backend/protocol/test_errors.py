# SPDX-License-Identifier: GPL-3.0-or-later
import ast

import pytest
from tree import ROOT

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


def raised() -> list[ast.Call]:
    """Every place in addon/ and backend/ that makes an error."""
    names = {kind.__name__ for kind in KINDS}
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for part in ("addon", "backend")
        for path in (ROOT / part).rglob("*.py")
    ]
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in names]


def ends(text: ast.expr) -> str:
    """The last characters of a text that is written out; "" where it comes from elsewhere."""
    last = text.values[-1] if isinstance(text, ast.JoinedStr) else text
    return last.value if isinstance(last, ast.Constant) and isinstance(last.value, str) else ""


def test_every_error_is_a_sentence_with_a_hint() -> None:
    """Item by item what an artist may read; a kind may bring a hint of its own."""
    calls = raised()
    assert len(calls) > 150
    for call in calls:
        kind, where = getattr(errors, call.func.id), ast.unparse(call)
        given = len(call.args) > 1 or any(word.arg == "hint" for word in call.keywords)
        assert given or kind.default_hint or kind is MissingMap, f"no hint: {where}"
        said = ends(call.args[0]) if call.args and kind is not MissingMap else ""
        assert said.endswith((".", ". ", "?")) or not said, f"no sentence: {where}"
