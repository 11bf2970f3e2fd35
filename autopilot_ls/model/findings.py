"""What a reviewer found: values of one remark on code.

Not aware of any agent's reviewer, nor of how a finding is shown.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from autopilot_ls.model.base import Frozen


class Finding(Frozen):
    """One remark of a reviewer.

    Attributes:
        title: One line; the reviewer's words, which are not to be trusted.
        body: The explanation, likewise.
        path: Absolute path of the file; empty when it has no place.
        start_line: First line, from 0.
        end_line: Last line, from 0 and included.
        priority: 0 is most urgent, 3 least; None when the reviewer gave none.
    """

    id: str
    title: str
    body: str = ""
    path: str = ""
    start_line: Annotated[int, Field(ge=0)] = 0
    end_line: Annotated[int, Field(ge=0)] = 0
    priority: Annotated[int, Field(ge=0, le=3)] | None = None


class ReviewTarget(Frozen):
    """What a reviewer looks at; `branch`, `sha` and `instructions` go with their kinds only."""

    kind: Literal["uncommittedChanges", "baseBranch", "commit", "custom"]
    branch: str = ""
    sha: str = ""
    instructions: str = ""
