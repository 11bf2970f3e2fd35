"""The demo's little world: a repository with a bug, and what the scripted model says about it.

The model's words are written beforehand, but they follow what happens: they read the outcome of the
patch and of the tests. Not aware of the language server or of how anything is shown; `demo` stands above,
`scripted_model` below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from autopilot_ls.scripted_model import (
    JsonObject,
    Output,
    ScriptedModel,
    Step,
    call_outputs,
    command,
    compute,
    message,
    patch,
    plan,
    reasoning,
    respond,
)

CODE: Final = "cart.py"
TESTS: Final = "test_cart.py"
TASK_LINE: Final = 7
"""Line of the comment with the task in `CODE`, from 0."""

_CODE: Final = '''\
"""A shopping cart."""


def total(lines: list[dict[str, int]]) -> int:
    """Return what the lines cost together, in cents."""
    result = 0
    for line in lines:
        # autopilot: the quantity is ignored, fix it and run the tests
        result += line["price"]
    return result
'''

_TESTS: Final = """\
import unittest

from cart import total


class Total(unittest.TestCase):
    def test_counts_each_piece(self) -> None:
        self.assertEqual(total([{"price": 250, "quantity": 3}]), 750)
"""

_PATCH: Final = """\
*** Begin Patch
*** Update File: cart.py
@@
     for line in lines:
-        # autopilot: the quantity is ignored, fix it and run the tests
-        result += line["price"]
+        result += line["price"] * line["quantity"]
     return result
*** End Patch
"""

RUN_TESTS: Final = "python3 -m unittest"
_STEPS: Final = ("See the test fail", "Multiply by the quantity", "See the test pass")


def write_repository(folder: Path) -> None:
    """Write the files of the throw-away repository into an existing folder."""
    (folder / CODE).write_text(_CODE, encoding="utf-8")
    (folder / TESTS).write_text(_TESTS, encoding="utf-8")
    (folder / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")


def scripted_model() -> ScriptedModel:
    """Return the model, which is yet to be started."""
    return ScriptedModel(
        [
            respond(
                reasoning("**Looking for the bug.** The price is added once for each line."),
                _plan(0),
                command(RUN_TESTS),
            ),
            respond(
                message("The test fails: the quantity is left out. I will multiply by it."),
                _plan(1),
                patch(_PATCH),
            ),
            compute(_after_patch),
            compute(_after_tests),
            message("`total` now counts each piece, and the test passes."),
        ]
    )


def _plan(done: int) -> Output:
    return plan(
        [
            (step, "completed" if at < done else "in_progress" if at == done else "pending")
            for at, step in enumerate(_STEPS)
        ]
    )


def _after_patch(body: JsonObject) -> Step | Output:
    if "Success" in "".join(call_outputs(body)[-1:]):
        return respond(_plan(2), command(RUN_TESTS))
    return message("I did not change cart.py, as you decided. Tell me what to do instead.")


def _after_tests(body: JsonObject) -> Step | Output:
    if "OK" in "".join(call_outputs(body)[-1:]):
        return _plan(3)
    return message("`total` now counts each piece. I could not see the test pass.")
