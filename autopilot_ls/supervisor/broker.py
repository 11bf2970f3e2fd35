"""The approval broker of a session: exactly one decision for every request of the agent.

Judges each request by the policy, keeps those that wait for a person, takes the first decision and
refuses later ones with a reason, and answers *cancel* when the request can no longer be decided.
A decision is on disk before the agent hears it. Not aware of how an agent words requests, nor of
editors. `session` stands above; the policy, `arriving`, `answering`, `decisions`, `patches`,
`runaway` and `record` below.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anyio import CancelScope

from autopilot_ls.model.approvals import (
    Action,
    Approval,
    Decision,
    DecisionKind,
    FileChange,
    Mark,
    Outcome,
    PatchAction,
    Verdict,
)
from autopilot_ls.model.errors import (
    AgentError,
    ApprovalAlreadyResolved,
    ApprovalNotFound,
    AutopilotError,
    DecisionRefused,
    PolicyInvalid,
    TraceFull,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    FactsTold,
    GrantAdded,
    HunksMarked,
    Notice,
)
from autopilot_ls.model.review import completed, marked
from autopilot_ls.policy.limits import Limits
from autopilot_ls.presentation.approvals import is_limited
from autopilot_ls.runtimes.base import RuntimeApproval, RuntimeEvent
from autopilot_ls.supervisor.answering import Answer, Answering
from autopilot_ls.supervisor.arriving import Arriving
from autopilot_ls.supervisor.decisions import (
    POLICY,
    cancel,
    exact,
    grant_from,
    require_complete,
    require_plain,
    without_secrets,
)
from autopilot_ls.supervisor.offering import Offering
from autopilot_ls.supervisor.partial import Partials, Prepared
from autopilot_ls.supervisor.patches import Patches
from autopilot_ls.supervisor.policies import Policies
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.runaway import Runaway
from autopilot_ls.supervisor.tasks import Tasks


@dataclass(slots=True)
class _Open:
    """A request without its decision.

    Attributes:
        followed: The verdict that was acted upon last.
        claimed_by: Who is just deciding on it.
        counted: Whether it was counted as an approval by rule.
        limits: The limits of which one holds it up, though a rule allows it; None when none does.
    """

    approval: Approval
    followed: Outcome
    claimed_by: str | None = None
    counted: bool = False
    limits: Limits | None = None


class Broker:
    """The open requests of one session and the one answer each of them gets."""

    def __init__(
        self,
        record: SessionRecord,
        policies: Policies,
        patches: Patches,
        runaway: Runaway,
        *,
        answer: Answer,
        tasks: Tasks,
        search_path: str | None = None,
    ) -> None:
        """Create a broker.

        Args:
            record: Where requests and decisions become events.
            policies: Judge the requests.
            patches: Checks what accepting a patch would do.
            runaway: Says when a rule is no longer followed without a person.
            answer: Sends a decision to the agent.
            tasks: Where answers run that nobody waits for (the policy's own).
            search_path: The PATH that the agent is run with; this process's own when omitted.
        """
        self._search_path = search_path
        self._record = record
        self._policies = policies
        self._offering = Offering(record, policies)
        self._patches = patches
        self._runaway = runaway
        self._partials = Partials(record, patches)
        self._tasks = tasks
        self._open: dict[str, _Open] = {}
        self._arriving = Arriving(patches, tasks, self._announce)
        self.answering = Answering(answer, tasks, self._failed)

    @property
    def has_open(self) -> bool:
        """Whether a request of the agent is being read, waits, or its answer is on its way."""
        return bool(self._open) or self._arriving.is_busy or self.answering.is_busy

    @property
    def _workspace(self) -> Path:
        return Path(self._record.state.cwd)

    def _judge(self, action: Action) -> Verdict:
        state = self._record.state
        verdict = self._policies.judge(
            action,
            mode=state.mode,
            grants=state.grants.values(),
            workspace=self._workspace,
            search_path=self._search_path,
        )
        if isinstance(action, PatchAction) and not action.changes:
            return Verdict(
                outcome=Outcome.DENY,
                rule="unknown-patch",
                source="autopilot",
                reason="The agent did not say what the patch changes.",
            )
        return verdict

    def request(self, message: RuntimeApproval) -> None:
        """Take a request of the agent: judge it, record it, answer it or let it wait.

        A patch whose reading would hold up the event loop is read beside it, and heard of then.
        """
        self._arriving.take(message)

    def _announce(
        self, approval_id: str, message: RuntimeApproval, files: tuple[FileChange, ...]
    ) -> None:
        verdict = self._runaway.limited(self._judge(message.action), files)
        approval = Approval(
            id=approval_id,
            session_id=self._record.session_id,
            native_key=message.key,
            thread_id=message.thread_id,
            turn_id=message.turn_id,
            item_id=message.item_id,
            action=message.action,
            reason=message.reason,
            files=files,
            verdict=verdict,
            offers=self._offering.of(message.action) if verdict.outcome is Outcome.ASK else (),
            requested_at=self._record.now(),
        )
        self.tell_problems()
        fact = ApprovalRequested(approval=approval)
        self._record.emit([RuntimeEvent(fact, message.thread_id, message.turn_id, message.frames)])
        entry = self._open[approval.id] = _Open(approval, approval.verdict.outcome)
        if is_limited(approval):
            entry.limits = self._runaway.limits
        self._follow(approval.id, approval.verdict)

    def _follow(self, approval_id: str, verdict: Verdict) -> None:
        entry = self._open.get(approval_id)
        if verdict.outcome is Outcome.ALLOW and entry is not None:
            if self._runaway.limited(verdict, entry.approval.files).outcome is Outcome.ASK:
                entry.limits = self._runaway.limits
                return  # It waits for a person.
            # Counted before it is decided, since many may be asked for at the same time.
            if not entry.counted:
                entry.counted = True
                self._runaway.approved()
        if verdict.outcome is not Outcome.ASK:
            self._tasks.start_soon(self._decide_alone, approval_id, verdict)

    async def _decide_alone(self, approval_id: str, verdict: Verdict) -> None:
        entry = self._open.get(approval_id)
        if entry is None:
            return
        allows = verdict.outcome is Outcome.ALLOW
        if not allows and self._judge(entry.approval.action).outcome is not Outcome.DENY:
            return  # The mode has changed since, and who changed it had it judged again.
        kind = DecisionKind.ACCEPT if allows else DecisionKind.DECLINE
        message = verdict.reason
        if verdict != entry.approval.verdict:
            # It was announced with another verdict, so that this one must be told with the decision.
            rule = f"rule {verdict.rule} of {verdict.source}"
            message = f"{message} ({rule}, in the mode {self._record.state.mode})"
        decision = Decision(kind=kind, decided_by=POLICY, message=message)
        try:
            await self.decide(approval_id, decision)
        except (ApprovalAlreadyResolved, ApprovalNotFound, TraceFull):
            return  # Decided otherwise, or the session is being stopped, which declines.
        except DecisionRefused as refusal:
            # An allow that would cost the person something becomes a question to the person.
            self._note("warning", refusal.code, str(refusal))
        except AutopilotError as error:
            self._note("error", error.code, str(error))
        except Exception as error:  # noqa: BLE001 reason: the person must be told, for whom it waits now
            self._note("error", AgentError.code, f"Internal error while deciding: {error!r}.")

    def tell_problems(self) -> None:
        """Tell what is wrong with the policy's files, unless this server has told it already."""
        for problem in self._policies.news(self._workspace):
            self._note("error", PolicyInvalid.code, f"{problem} The last good rules stay in force.")

    def _note(self, severity: Literal["warning", "error"], code: str, message: str) -> None:
        try:
            self._record.tell(Notice(severity=severity, code=code, message=message))
        except TraceFull:
            return

    async def decide(
        self,
        approval_id: str,
        decision: Decision,
        *,
        remember: str | None = None,
        merge: bool = False,
    ) -> Decision:
        """Give the one decision.

        Cancelling the call while the check of a patch runs leaves the approval waiting; after that
        the decision is carried out all the same.

        Args:
            approval_id: Which.
            decision: What is decided, and by whom.
            remember: Key of the offer whose rule is to be written before an accept goes out.
            merge: Whether files with unsaved changes take the hunks in the editor, unsaved.

        Returns:
            The decision as it was recorded.

        Raises:
            PolicyNotWritten: What was to be remembered was not; it still waits.
            ApprovalNotFound: No such request was made in this session.
            ApprovalAlreadyResolved: Somebody was faster; the message says who.
            DecisionRefused: Accepting would lose something of the person's; it still waits.
            InvalidRequest: The decision lacks something, for example an answer.
            AgentError: The decision is recorded but could not be sent.
        """
        entry = self._claim(approval_id, decision)
        try:
            decision = exact(entry.approval, decision)
            prepared = Prepared()
            if merge:
                decision = await self._partials.merging(entry.approval, decision)
            if remember is None:
                decision = await self._partials.with_saved(entry.approval, decision)
            else:
                require_plain(decision)
            if decision.kind.accepts:
                require_complete(entry.approval, decision)
                prepared = await self._partials.prepare(entry.approval, decision)
            if remember is not None:
                action = entry.approval.action
                decision = await self._offering.remember(action, decision, remember)
        except BaseException:
            entry.claimed_by = None
            raise
        with prepared:
            self._require_still_open(entry, decision)
            await self._carry_out(entry, decision, prepared)
        return decision

    async def to_save(self, approval_id: str, hunks: Iterable[str] | None) -> tuple[str, ...]:
        """Return the paths of the files to be saved before these hunks, or all, can be accepted.

        Raises:
            ApprovalNotFound: No such request was made in this session.
            ApprovalAlreadyResolved: It has its decision.
            InvalidRequest: It has no such hunk.
            DecisionRefused: They would not fit what is saved then; nothing is to be saved for them.
        """
        return await self._partials.to_save(self._free(approval_id).approval, hunks)

    def _require_still_open(self, entry: _Open, decision: Decision) -> None:
        try:
            if self._open.get(entry.approval.id) is not entry:
                raise self._already(entry.approval.id)
            if decision.kind.accepts:
                self._require_still_allowed(entry, decision)
        except AutopilotError:
            if decision.remembered:
                said = f"The rule {decision.remembered} was remembered all the same."
                self._note("warning", "remembered", said)
            raise

    async def _carry_out(self, entry: _Open, decision: Decision, prepared: Prepared) -> None:
        process = self.answering.process
        self._resolve(entry, decision)
        with self.answering.one(), CancelScope(shield=True):
            await self._record.sync()
            reply = await self._partials.reply(entry.approval, decision, prepared)
            told = await self.answering.send(entry.approval.native_key, reply, process)
            if told and decision.hunks is not None:
                self._record.tell(FactsTold(approval_ids=(entry.approval.id,), how="inTurn"))

    async def mark(
        self,
        approval_id: str,
        hunks: Iterable[str],
        mark: Mark | None,
        *,
        by: str,
        message: str,
        merge: bool = False,
    ) -> Decision | None:
        """Note the person's choice for single hunks; the last one makes the decision.

        Args:
            approval_id: Which.
            hunks: Ids of hunks or files.
            mark: The choice; None takes it back.
            by: Who chooses.
            message: Why it is rejected.
            merge: As in `decide`, when it was the last one.

        Returns:
            The decision when every hunk has its mark now, else None.

        Raises:
            InvalidRequest: It is no patch, a hunk is unknown, or what is accepted cannot be.
            AutopilotError: As `decide`, when it was the last one; the marks stay then.
        """
        entry = self._free(approval_id)
        approval = entry.approval
        marks = marked(approval, hunks, mark, message, by)
        if marks != approval.marks:
            fact = HunksMarked(approval_id=approval_id, marks=marks)
            self._record.emit([RuntimeEvent(fact, approval.thread_id, approval.turn_id)])
            entry.approval = approval.model_copy(update={"marks": marks})
        decision = completed(entry.approval, by)
        if decision is None:
            return None
        return await self.decide(approval_id, decision, merge=merge)

    def _require_still_allowed(self, entry: _Open, decision: Decision) -> None:
        """Judge again before an accept goes out: the mode or a grant may have changed meanwhile."""
        verdict = self._judge(entry.approval.action)
        entry.followed = verdict.outcome
        if verdict.outcome is Outcome.DENY:
            entry.claimed_by = None
            self._follow(entry.approval.id, verdict)
            raise DecisionRefused(
                f"Not accepted: {verdict.reason}",
                advice="Change the mode, then ask the agent again.",
            )
        if decision.decided_by == POLICY and entry.approval.marks:
            entry.claimed_by = None
            raise DecisionRefused(
                "A person has begun to decide on it hunk by hunk.", advice="Go on with it."
            )
        if decision.decided_by == POLICY and verdict.outcome is not Outcome.ALLOW:
            entry.claimed_by = None
            raise DecisionRefused(
                "The rule that would have allowed it is gone.", advice="Decide on it yourself."
            )

    def _claim(self, approval_id: str, decision: Decision) -> _Open:
        entry = self._free(approval_id)
        entry.claimed_by = decision.decided_by
        return entry

    def _free(self, approval_id: str) -> _Open:
        entry = self._open.get(approval_id)
        if entry is None:
            raise self._already(approval_id)
        if entry.claimed_by is not None:
            message = f"{entry.claimed_by} is just deciding on {approval_id}."
            raise ApprovalAlreadyResolved(message)
        return entry

    def _already(self, approval_id: str) -> AutopilotError:
        done = self._record.state.resolved(approval_id)
        if done is None:
            return ApprovalNotFound(
                f"There is no approval {approval_id}.",
                advice="List the waiting ones with autopilot.approval.list.",
            )
        decision = done.decision
        why = f" ({decision.message})" if decision.message else ""
        return ApprovalAlreadyResolved(
            f"Approval {approval_id} already has its decision: "
            f"{decision.kind.value} by {decision.decided_by}{why}."
        )

    def _resolve(self, entry: _Open, decision: Decision) -> None:
        approval = entry.approval
        waited = max(0.0, self._record.now() - approval.requested_at)
        resolved = ApprovalResolved(
            approval_id=approval.id, decision=without_secrets(approval, decision), waited=waited
        )
        events = [RuntimeEvent(resolved, approval.thread_id, approval.turn_id)]
        grant = grant_from(approval, decision)
        if grant is not None:
            events.append(RuntimeEvent(GrantAdded(grant=grant), approval.thread_id))
        self._record.emit(events)
        del self._open[approval.id]
        if decision.kind.accepts and decision.hunks is None:
            self._patches.accept(approval)
        else:
            self._patches.forget(approval.id)

    def withdraw(self, key: str) -> None:
        """The agent no longer waits for this request: what nobody decided is cancelled.

        This overtakes an accept whose patch is being checked at the moment.
        """
        self._arriving.finish(key)
        for entry in list(self._open.values()):
            if entry.approval.native_key == key:
                self._resolve(entry, cancel("The agent withdrew the request."))

    def void(self, message: str) -> None:
        """Cancel everything open without telling the agent, because it is gone."""
        self.answering.gone()
        self._arriving.finish()
        for entry in list(self._open.values()):
            self._resolve(entry, cancel(message))

    def cancelled(self) -> list[ApprovalResolved]:
        """Give up everything open without recording it; returns the facts that say so."""
        self.answering.gone()
        self._arriving.drop()
        self._open.clear()
        now = self._record.now()
        return [
            ApprovalResolved(
                approval_id=approval.id,
                decision=cancel("It could not be recorded."),
                waited=max(0.0, now - approval.requested_at),
            )
            for approval in self._record.state.pending.values()
        ]

    async def cancel_all(self, decided_by: str, message: str) -> None:
        """Answer *cancel* to everything open; an agent that cannot hear it is no error.

        This overtakes an accept whose patch is being checked at the moment. The answers have a limit
        together; the end of the process answers what did not get through.

        Raises:
            TraceFull: It cannot be recorded; the session is being stopped.
        """
        self._arriving.finish()
        entries = list(self._open.values())
        if not entries:
            return
        decision = Decision(kind=DecisionKind.CANCEL, decided_by=decided_by, message=message)
        process = self.answering.process
        for entry in entries:
            self._resolve(entry, decision)
        await self._record.sync()
        keys = [entry.approval.native_key for entry in entries]
        await self.answering.send_all(keys, decision, process)

    def _failed(self, error: Exception) -> None:
        self._note("error", AgentError.code, f"Internal error while cancelling: {error!r}.")

    def judge_again(self, *, mode_changed: bool = False) -> None:
        """Judge what waits anew, by a changed mode or policy: what no longer asks is answered at once.

        What is just being decided is judged once more before its answer goes out.
        """
        for entry in list(self._open.values()):
            verdict = self._judge(entry.approval.action)
            # What was allowed and waits all the same was held up by something else, which was told.
            allowed = verdict.outcome is Outcome.ALLOW
            held_up = allowed and entry.followed is Outcome.ALLOW
            if not allowed or mode_changed:
                entry.limits = None
            elif entry.limits is not None and not self._runaway.limits.looser(entry.limits):
                # A limit is let go by a person, not by the time that has passed since it was reached.
                continue
            if entry.claimed_by is None and not held_up:
                entry.followed = verdict.outcome
                self._follow(entry.approval.id, verdict)
