"""What can be remembered of a session's requests, and having it remembered.

Not aware of what waits nor of who is faster: that is the broker's business. `broker` stands above,
`policies` and `remembering` below.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autopilot_ls.model.approvals import Action, Decision, RememberOffer
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.text import one_line
from autopilot_ls.policy.remember import Offer, rule_name
from autopilot_ls.supervisor.policies import Policies
from autopilot_ls.supervisor.record import SessionRecord
from autopilot_ls.supervisor.remembering import within_limit


class Offering:
    """The offers of one session; see the module's docstring."""

    def __init__(self, record: SessionRecord, policies: Policies) -> None:
        """Create it for a session."""
        self._record = record
        self._policies = policies

    @property
    def _workspace(self) -> Path:
        return Path(self._record.state.cwd)

    def _found(self, action: Action) -> Mapping[str, Offer]:
        state = self._record.state
        offers = self._policies.offers(
            action, mode=state.mode, grants=state.grants.values(), workspace=self._workspace
        )
        return {rule_name(offer, self._workspace): offer for offer in offers}

    def of(self, action: Action) -> tuple[RememberOffer, ...]:
        """Return what can be remembered of an action that asks."""
        found = self._found(action)
        return tuple(RememberOffer(key=key, label=offer.label) for key, offer in found.items())

    async def remember(self, action: Action, decision: Decision, key: str) -> Decision:
        """Write the rule of an offer; returns the decision with the rule's name.

        The action says what can be remembered, and only now: no client can make up a rule.

        Raises:
            InvalidRequest: There is no such offer.
            PolicyNotWritten: The rule could not be written.
        """
        offer = self._found(action).get(key)
        if offer is None:
            raise InvalidRequest(
                f"{one_line(key, 80)} is nothing that can be remembered of this request now.",
                advice="Choose one of the approval's `offers`, or accept it once.",
            )
        memory, workspace = self._policies.memory, self._workspace
        name = await within_limit(
            memory,
            lambda still: memory.add(
                offer, workspace=workspace, by=decision.decided_by, still=still
            ),
        )
        return decision.model_copy(update={"remembered": name})
