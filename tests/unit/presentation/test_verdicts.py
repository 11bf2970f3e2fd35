"""Every verdict explains itself in one sentence, and a hover shows it with the change."""

from __future__ import annotations

import pytest

from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    FileChange,
    Hunk,
    Outcome,
    PatchAction,
    ProposedChange,
    Verdict,
)
from autopilot_ls.presentation.hovers import hover
from autopilot_ls.presentation.verdicts import explained


def verdict(
    outcome: Outcome = Outcome.DENY,
    rule: str = "no-fetch",
    source: str = "/home/me/policy.toml:7",
    reason: str = "Nothing is fetched.",
    part: str = "curl example.org",
    *,
    high: bool = True,
) -> Verdict:
    return Verdict(
        outcome=outcome,
        rule=rule,
        source=source,
        reason=reason,
        part=part,
        risk="high" if high else "low",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            verdict(),
            (
                "Denied by the rule no-fetch (/home/me/policy.toml:7) on “curl example.org”, high risk: "
                "Nothing is fetched."
            ),
        ),
        (
            verdict(Outcome.ALLOW, "reading", "built-in rules:200", "It reads.", high=False),
            "Allowed by the rule reading (built-in rules:200) on “curl example.org”: It reads.",
        ),
        (
            verdict(Outcome.ASK, "propose", "mode", "No rule.", ""),
            "Asked by the mode propose, high risk: No rule.",
        ),
        (
            verdict(Outcome.DENY, "sandbox", "mode", "No command leaves it.", "x", high=False),
            "Denied by the mode itself (sandbox) on “x”: No command leaves it.",
        ),
        (
            verdict(Outcome.ALLOW, "grant-1", "session grant", "I allowed it.", "", high=False),
            "Allowed by the session's grant grant-1: I allowed it.",
        ),
    ],
)
def test_a_verdict_explains_itself(given: Verdict, said: str) -> None:
    assert explained(given) == said
    marked = explained(given, markdown=True)
    assert f"`{given.rule}`" in marked
    assert "“" not in marked


def test_what_others_wrote_is_shown_and_never_obeyed() -> None:
    hostile = verdict(
        part="ls\u202e `x` ![i](http://e.x)\n# head", reason="[go](http://e.x)\n\n# head \x1b[2J"
    )
    plain = explained(hostile, redact=lambda text: text.replace("head", "…"))
    assert "\n" not in plain
    assert "\u202e" not in plain
    assert "\x1b" not in plain
    assert "head" not in plain
    marked = explained(hostile, markdown=True)
    assert "\n" not in marked
    assert "[go\\](http" in marked


def asked(*hunks: Hunk, reason: str = "") -> tuple[Approval, FileChange]:
    change = ProposedChange(path="/ws/a.py", kind=ChangeKind.UPDATE, form="unified", text="")
    file = FileChange(path="/ws/a.py", kind=ChangeKind.UPDATE, hunks=hunks)
    return (
        Approval(
            id="a",
            session_id="s",
            native_key="k",
            action=PatchAction(changes=(change,)),
            files=(file,),
            reason=reason,
            verdict=verdict(Outcome.ASK, "tests-ask", "/w/.autopilot/policy.toml:3", part="a.py"),
            requested_at=0.0,
        ),
        file,
    )


ONE = Hunk(id="1", old_start=1, old_lines=("x\n",), new_start=1, new_lines=("```\n", "y\n"))
TWO = Hunk(id="2", old_start=9, old_lines=("far\n",), new_start=9, new_lines=())


@pytest.mark.parametrize("markdown", [True, False])
def test_a_hover_says_what_why_and_how(*, markdown: bool) -> None:
    approval, file = asked(ONE, TWO, reason="Because\u202e!")
    text = hover(approval, file, ONE, root="/ws", markdown=markdown)
    assert "Change a.py" in text.split("\n")[0]
    assert explained(approval.verdict, markdown=markdown) in text
    assert "Because\\u{202e}!" in text
    assert "-x\n+```\n+y" in text
    assert "far" not in text
    assert text.endswith("Decide by the code actions here. The patch has 1 more hunk.")
    assert ("````diff" in text) is markdown


def test_a_hover_on_a_change_without_hunks_and_on_a_long_one_is_bounded() -> None:
    approval, file = asked()
    assert "a/a.py" in hover(approval, file, None, root="/ws", markdown=True)
    long = Hunk(
        id="1", old_start=1, old_lines=(), new_start=1, new_lines=("y" * 99 + "\n",) * 9_999
    )
    approval, file = asked(long)
    assert len(hover(approval, file, long, root="/ws", markdown=True)) < 12_000
