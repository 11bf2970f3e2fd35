"""The models of the commands about the policy.

Values only, like those in `params`, which brings them to where commands look. Not imported before
`initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from autopilot_ls.model.approvals import Mode, Outcome
from autopilot_ls.model.base import Frozen

Folder = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class PolicyTrustParams(Frozen):
    """Trust a workspace's policy.

    Attributes:
        cwd: The folder whose `.autopilot/policy.toml` is meant, as an absolute path or a `file:` URI.
        hash: Of exactly the content that the person saw, as the status and the code action have it;
            where the file is another one by now, it is refused.
    """

    cwd: Folder
    hash: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class PolicyUntrustParams(Frozen):
    """Names the folder whose policy is trusted no longer."""

    cwd: Folder


class PolicyTrusted(Frozen):
    """Whether the policy is trusted now, and whether it was before."""

    path: str
    trusted: bool
    before: bool


class PolicyExplainParams(Frozen):
    """Ask what the policy says to a command line.

    Attributes:
        command: The command line as a shell would read it.
        cwd: The folder it would run in, and whose policy counts; the first workspace folder when omitted.
        mode: The mode to judge in; that of new sessions when omitted.
    """

    command: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    cwd: Folder | None = None
    mode: Mode | None = None


class PolicyPart(Frozen):
    """What one part of a command line gets.

    Attributes:
        part: The part's text.
        rule: The rule that decided, or the name of what the mode does by itself.
        source: Where the rule stands: `mode`, or a file with its line.
        hard: A deny that nothing outweighs, or an ask that no grant lifts.
    """

    part: str
    outcome: Outcome
    rule: str
    source: str
    reason: str
    risk: Literal["low", "high"]
    hard: bool


class PolicyExplained(Frozen):
    """The verdict on a command line, which is that of its most cautious part.

    Attributes:
        why: The verdict explained in one sentence.
    """

    command: str
    cwd: str
    mode: Mode
    outcome: Outcome
    rule: str
    source: str
    reason: str
    part: str
    risk: Literal["low", "high"]
    why: str
    parts: tuple[PolicyPart, ...]


class PolicyFileShown(Frozen):
    """A policy file that is there.

    Attributes:
        state: `inForce`; `notTrusted` (only its ask and deny rules count); or `broken` (its last good
            rules stay, and where there were none, nothing is allowed by rule).
        problems: What is wrong, with line and column.
        hash: Of its content, for `autopilot.policy.trust`; empty for the user's own files.
    """

    path: str
    kind: Literal["user", "remembered", "workspace"]
    state: Literal["inForce", "notTrusted", "broken"]
    rules: int
    problems: tuple[str, ...] = ()
    cwd: str = ""
    hash: str = ""
