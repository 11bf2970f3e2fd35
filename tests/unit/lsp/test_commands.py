"""What a person reads who sends a command with a wrong argument."""

from __future__ import annotations

import pytest
from pygls.exceptions import JsonRpcException

from autopilot_ls.lsp import methods, params
from autopilot_ls.lsp.commands import validated


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        (methods.MODE_SET, {"mode": "yolo"}, "mode must be 'read-only'"),
        (methods.TURN_INTERRUPT, {}, "sessionId is missing"),
        (methods.STATUS, {"sesionId": "x"}, "sesionId is unknown"),
        (methods.STATUS, "x", "The argument must be an object"),
        (methods.TURN_START, {"text": "x", "references": [1]}, "references.0 must be an object"),
    ],
)
def test_what_is_wrong_comes_first(name: str, argument: object, said: str) -> None:
    method = methods.command(name)
    assert method is not None
    with pytest.raises(JsonRpcException) as caught:
        validated(method, [argument])
    # Some editors have room for fifty characters.
    assert caught.value.message.startswith(said)
    assert len(said) <= 50
    assert caught.value.message.endswith(f"({name})")
    # Who installed a wheel has no folder of schemas.
    assert "`autopilot-ls schema --out DIR`" in str(caught.value.data)


@pytest.mark.parametrize("arguments", [[], [None], [{}], [[]]])
def test_no_argument_is_an_empty_one(arguments: list[object]) -> None:
    method = methods.command(methods.STATUS)
    assert method is not None
    assert validated(method, arguments) == params.StatusParams()
