"""Decisions at the prompt, typed at a real pseudo terminal: what is shown, and what counts."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass

import anyio
import anyio.to_thread
import pytest

from autopilot_ls.cli.keyboard import Keyboard
from autopilot_ls.cli.prompting import Answer, Prompter, can_be_granted
from autopilot_ls.cli.terminal import Terminal
from autopilot_ls.model.approvals import (
    Action,
    Approval,
    ChangeKind,
    CommandAction,
    DecisionKind,
    ElicitationAction,
    FileChange,
    Hunk,
    Outcome,
    PatchAction,
    PermissionAction,
    ProposedChange,
    Question,
    QuestionAction,
    QuestionOption,
    RememberOffer,
    ToolAction,
    Verdict,
)
from tests.support.pseudo_terminal import Person, person

ASK = Verdict(outcome=Outcome.ASK, rule="ask", source="mode", reason="A person decides.")
COMMAND = CommandAction(command="rm -rf build", cwd="/work")


@dataclass
class Desk:
    """A person, and the prompter that asks them."""

    person: Person
    prompter: Prompter

    async def ask(self, approval: Approval, *steps: tuple[str, str]) -> Answer:
        """Ask, and let the person type each second text after the first is shown."""
        answers: list[Answer] = []

        async def asking() -> None:
            answers.append(await self.prompter.ask(approval))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asking)
                for shown, typed in steps:
                    await self.shown(shown)
                    self.person.type(typed)
        return answers[0]

    async def shown(self, text: str) -> str:
        return await anyio.to_thread.run_sync(self.person.wait_for, text, 10.0)


@pytest.fixture
def desk() -> Generator[Desk]:
    with person() as (sitting, descriptor), os.fdopen(os.dup(descriptor), "w") as stream:
        terminal = Terminal(stream, colour=False)
        yield Desk(sitting, Prompter(terminal, Keyboard(descriptor), root="/work"))


def approval(action: Action = COMMAND, *, reason: str = "") -> Approval:
    files = ()
    if isinstance(action, PatchAction):
        hunk = Hunk(id="h", old_start=1, old_lines=("old\n",), new_start=1, new_lines=("new\n",))
        files = (FileChange(path="/work/a.txt", kind=ChangeKind.UPDATE, hunks=(hunk,)),)
    return Approval(
        id="apr-1",
        session_id="s",
        native_key="k",
        action=action,
        reason=reason,
        files=files,
        verdict=ASK,
        requested_at=0.0,
    )


def patch() -> PatchAction:
    change = ProposedChange(
        path="/work/a.txt", kind=ChangeKind.UPDATE, form="unified", text="@@\n-old\n+new\n"
    )
    return PatchAction(changes=(change,))


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("a\n", DecisionKind.ACCEPT),
        (" A \n", DecisionKind.ACCEPT),
        ("s\n", DecisionKind.ACCEPT_FOR_SESSION),
        ("c\n", DecisionKind.CANCEL),
        ("\x04", DecisionKind.CANCEL),
    ],
)
async def test_one_letter_decides(desk: Desk, typed: str, kind: DecisionKind) -> None:
    assert await desk.ask(approval(), ("> ", typed)) == Answer(kind)


async def test_a_rejection_takes_a_reason(desk: Desk) -> None:
    answer = await desk.ask(approval(), ("> ", "r\n"), ("Why", "use make clean\n"))
    assert answer == Answer(DecisionKind.DECLINE, message="use make clean")


@pytest.mark.parametrize("typed", ["\n", "\x04"])
async def test_a_rejection_needs_no_reason(desk: Desk, typed: str) -> None:
    answer = await desk.ask(approval(), ("> ", "r\n"), ("Why", typed))
    assert answer == Answer(DecisionKind.DECLINE)


async def test_nothing_but_a_choice_decides(desk: Desk) -> None:
    answer = await desk.ask(
        approval(),
        ("> ", "\n"),
        ("Type one of", "yes\n"),
        ("Type one of", "aa\n"),
        ("Type one of", "d\n"),
        ("Type one of: a, s, r, c.", "c\n"),
    )
    assert answer.kind is DecisionKind.CANCEL


async def test_what_was_typed_before_the_prompt_does_not_decide(desk: Desk) -> None:
    desk.person.type("a\na\na\n")
    answer = await desk.ask(approval(), ("> ", "r\n"), ("Why", "\n"))
    assert answer.kind is DecisionKind.DECLINE


async def test_what_is_asked_is_shown_whole_and_never_obeyed(desk: Desk) -> None:
    hostile = CommandAction(command="echo \x1b[2K\u202eharmless; " + "x" * 5_000, cwd="/work/\x07")
    await desk.ask(approval(hostile, reason="line one\nline \x1b[31mtwo"), ("> ", "c\n"))
    shown = desk.person.raw
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "x" * 5_000 in shown
    assert "\\u{202e}harmless" in shown
    assert "/work/\\x07" in shown
    assert "line \\x1b[31mtwo" in shown
    assert "A person decides." in shown


async def test_an_escalation_says_that_it_leaves_the_sandbox(desk: Desk) -> None:
    action = CommandAction(command="make", cwd="/work", escalated=True, network_host="evil.example")
    answer = await desk.ask(approval(action), ("> ", "s\n"), ("Type one of: a, r, c.", "c\n"))
    assert answer.kind is DecisionKind.CANCEL
    assert "OUTSIDE the sandbox" in desk.person.seen
    assert "evil.example" in desk.person.seen


async def test_a_patch_shows_its_diff(desk: Desk) -> None:
    answer = await desk.ask(approval(patch()), ("> ", "d\n"), ("> ", "a\n"))
    assert answer == Answer(DecisionKind.ACCEPT)
    assert desk.person.seen.count("-old\n") == 2
    assert desk.person.seen.count("+new\n") == 2
    assert "a/a.txt" in desk.person.seen


async def test_what_cannot_be_accepted_is_not_offered_for_it(desk: Desk) -> None:
    files = (FileChange(path="/work/b", kind=ChangeKind.ADD, problem="It lies outside."),)
    asked = approval(PatchAction(changes=())).model_copy(update={"files": files})
    answer = await desk.ask(asked, ("> ", "a\n"), ("Type one of: r, c, d.", "c\n"))
    assert answer.kind is DecisionKind.CANCEL
    assert "a accept" not in desk.person.seen


async def test_a_long_diff_is_cut_until_it_is_asked_for(desk: Desk) -> None:
    lines = tuple(f"line {number}\n" for number in range(200))
    hunk = Hunk(id="h", old_start=1, old_lines=(), new_start=1, new_lines=lines)
    change = FileChange(path="/work/a.txt", kind=ChangeKind.ADD, hunks=(hunk,))
    long = approval(patch()).model_copy(update={"files": (change,)})
    await desk.ask(long, ("more line", "d\n"), ("line 199", "c\n"))
    assert desk.person.seen.count("line 5\n") == 2
    assert desk.person.seen.count("line 150\n") == 1


async def test_a_patch_that_cannot_be_shown_says_so(desk: Desk) -> None:
    change = FileChange(path="/work/a.bin", kind=ChangeKind.UPDATE, problem="It is binary.")
    odd = approval(patch()).model_copy(update={"files": (change,)})
    await desk.ask(odd, ("It is binary.", ""), ("> ", "c\n"))


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        (PermissionAction(cwd="/work", permissions=("network",), native="{}"), "network"),
        (ToolAction(server="files", tool="write", arguments='{"a": 1}'), '{"a": 1}'),
    ],
)
async def test_other_requests_are_shown_and_cannot_be_granted(
    desk: Desk, action: Action, shown: str
) -> None:
    assert not can_be_granted(approval(action))
    answer = await desk.ask(approval(action), (shown, ""), ("> ", "a\n"))
    assert answer == Answer(DecisionKind.ACCEPT)


QUESTION = Question(
    id="q",
    text="Which colour?",
    options=(QuestionOption(label="Red", description="warm"), QuestionOption(label="Blue")),
)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("1\n", "Red"), ("blue\n", "Blue"), ("Green\n", "Green"), ("3\n", "3")],
)
async def test_a_question_takes_a_number_or_text(desk: Desk, typed: str, answer: str) -> None:
    action = QuestionAction(questions=(QUESTION,))
    assert await desk.ask(approval(action), ("> ", typed)) == Answer(
        DecisionKind.ACCEPT, answers={"q": (answer,)}
    )


async def test_a_question_without_free_text_takes_only_its_options(desk: Desk) -> None:
    question = QUESTION.model_copy(update={"free_text": False})
    answer = await desk.ask(
        approval(QuestionAction(questions=(question,))),
        ("> ", "Green\n"),
        ("Type a number", "0\n"),
        ("Type a number", "2\n"),
    )
    assert answer.answers == {"q": ("Blue",)}


async def test_several_questions_are_asked_in_turn(desk: Desk) -> None:
    second = Question(id="why", text="Why?")
    answer = await desk.ask(
        approval(QuestionAction(questions=(QUESTION, second))), ("> ", "1\n"), ("Why?", "so\n")
    )
    assert answer.answers == {"q": ("Red",), "why": ("so",)}


async def test_a_question_can_be_rejected_or_stop_the_turn(desk: Desk) -> None:
    action = QuestionAction(questions=(QUESTION,))
    rejected = await desk.ask(approval(action), ("> ", "/r\n"), ("Why", "later\n"))
    assert rejected == Answer(DecisionKind.DECLINE, message="later")
    assert (await desk.ask(approval(action), ("> ", "\x04"))).kind is DecisionKind.CANCEL


async def test_a_secret_is_not_shown(desk: Desk) -> None:
    secret = Question(id="token", text="Your token?", secret=True)
    answer = await desk.ask(approval(QuestionAction(questions=(secret,))), ("> ", "hunter2\n"))
    assert answer.answers == {"token": ("hunter2",)}
    desk.person.take(0.05)
    assert "hunter2" not in desk.person.seen
    # And what is typed next is shown again.
    await desk.ask(approval(), ("> ", "c\n"))
    desk.person.take(0.05)
    assert "> c\n" in desk.person.seen


async def test_an_elicitation_asks_for_its_fields(desk: Desk) -> None:
    schema = '{"properties": {"age": {"type": "integer"}}, "required": ["age"]}'
    action = ElicitationAction(server="mcp", message="Tell me", content_schema=schema)
    answer = await desk.ask(
        approval(action), ("age", "old\n"), ("whole number", "36\n"), ("a accept", "a\n")
    )
    assert answer == Answer(DecisionKind.ACCEPT, content='{"age": 36}')


async def test_an_elicitation_that_cannot_be_asked_is_only_rejected(desk: Desk) -> None:
    schema = '{"properties": {"deep": {"type": "object"}}}'
    action = ElicitationAction(
        server="mcp", message="Tell me", content_schema=schema, url="https://example.com"
    )
    answer = await desk.ask(approval(action), ("cannot be answered", ""), ("Why", "\n"))
    assert answer == Answer(DecisionKind.DECLINE)
    assert "https://example.com" in desk.person.seen


async def test_a_prompt_can_be_withdrawn(desk: Desk) -> None:
    answers: list[Answer] = []

    async def asking() -> None:
        answers.append(await desk.prompter.ask(approval()))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asking)
            await desk.shown("> ")
            tasks.cancel_scope.cancel()
    assert not answers


def test_only_patches_and_plain_commands_can_be_granted() -> None:
    assert can_be_granted(approval())
    assert can_be_granted(approval(patch()))
    for change in ({"escalated": True}, {"types_input": True}, {"permissions": ("x",)}):
        assert not can_be_granted(approval(COMMAND.model_copy(update=change)))
    assert not can_be_granted(approval(COMMAND.model_copy(update={"network_host": "h"})))
    assert not can_be_granted(approval(QuestionAction(questions=(QUESTION,))))


def four_hunks() -> Approval:
    def hunk(number: int) -> Hunk:
        line = f"line {number}\n"
        return Hunk(
            id=f"h{number}",
            old_start=number,
            old_lines=(line,),
            new_start=number,
            new_lines=(line.upper(),),
        )

    files = tuple(
        FileChange(path=f"/work/{name}", kind=ChangeKind.UPDATE, hunks=tuple(map(hunk, numbers)))
        for name, numbers in (("one", (1, 9)), ("two", (20, 30)))
    )
    change = ProposedChange(path="/work/one", kind=ChangeKind.UPDATE, form="unified", text="")
    return Approval(
        id="a",
        session_id="s",
        native_key="k",
        action=PatchAction(changes=(change,)),
        files=files,
        verdict=ASK,
        requested_at=0.0,
    )


async def test_a_patch_is_decided_hunk_by_hunk(desk: Desk) -> None:
    answer = await desk.ask(
        four_hunks(),
        ("h hunk by hunk", "h\n"),
        ("hunk 1 of 4", "y\n"),
        ("hunk 2 of 4", "n\n"),
        ("Why?", "Too loud.\n"),
        ("hunk 3 of 4", "what?\n"),
        ("Type one of", "y\n"),
        ("hunk 4 of 4", "n\n"),
        ("Why?", "\n"),
    )
    assert (answer.kind, answer.hunks) == (DecisionKind.ACCEPT, ("h1", "h20"))
    assert answer.reasons == {"h9": "Too loud."}


async def test_going_back_from_the_hunks_decides_nothing(desk: Desk) -> None:
    answer = await desk.ask(
        four_hunks(),
        ("h hunk by hunk", "h\n"),
        ("hunk 1 of 4", "y\n"),
        ("hunk 2 of 4", "q\n"),
        ("d whole diff", "r\n"),
        ("Why, or what instead?", "\n"),
    )
    assert (answer.kind, answer.hunks) == (DecisionKind.DECLINE, None)


OFFERS = (
    RememberOffer(key="remembered-1", label="always allow `make test …` in this workspace"),
    RememberOffer(key="remembered-2", label="always allow exactly `make test` in this workspace"),
)


async def test_what_can_be_remembered_is_listed_and_one_is_chosen(desk: Desk) -> None:
    asked = approval().model_copy(update={"offers": OFFERS})
    answer = await desk.ask(
        asked,
        ("w always allow", "w\n"),
        ("2. always allow exactly `make test` in this workspace", "3\n"),
        ("Type the number", "2\n"),
    )
    assert answer == Answer(DecisionKind.ACCEPT, remember="remembered-2")


@pytest.mark.parametrize("typed", ["\n", "\x04"])
async def test_one_can_go_back_from_the_list_and_nothing_is_decided(desk: Desk, typed: str) -> None:
    asked = approval().model_copy(update={"offers": OFFERS})
    answer = await desk.ask(
        asked, ("w always allow", "w\n"), ("Enter to go back", typed), ("c reject and stop", "r\n"),
        ("Why", "\n"),
    )  # fmt: skip
    assert answer == Answer(DecisionKind.DECLINE)


async def test_without_an_offer_there_is_nothing_to_remember(desk: Desk) -> None:
    answer = await desk.ask(approval(), ("> ", "w\n"), ("Type one of: a, s, r, c.", "c\n"))
    assert answer.kind is DecisionKind.CANCEL
