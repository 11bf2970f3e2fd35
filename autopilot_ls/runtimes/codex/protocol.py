"""The names of the Codex protocol, and what becomes of each.

Every notification, server request and item type of the pinned schema stands in exactly one of these
lists; `manifest` fails when a schema has one that stands in none. Pure data: `mapping`, `items` and
`approvals` do what is said here, and unit tests hold them to it.
"""

from __future__ import annotations

from typing import Final

OLDEST_VERSION: Final = (0, 155, 0)
"""The oldest Codex that these lists, and the asking that Autopilot relies on, are tested with."""

DELTAS: Final[dict[str, str]] = {
    "item/agentMessage/delta": "text",
    "item/plan/delta": "text",
    "item/commandExecution/outputDelta": "output",
    "item/reasoning/summaryTextDelta": "summary",
    "item/reasoning/textDelta": "content",
}
"""Notifications that make an item's text grow, and which member of the item it is."""

MAPPED_NOTIFICATIONS: Final = frozenset(DELTAS) | {
    "account/login/completed",
    "account/rateLimits/updated",
    "account/updated",
    "autoApprovalReview/strictReviewRequired",
    "configWarning",
    "deprecationNotice",
    "error",
    "guardianWarning",
    "hook/completed",
    "item/autoApprovalReview/completed",
    "item/autoApprovalReview/started",
    "item/commandExecution/terminalInteraction",
    "item/completed",
    "item/fileChange/patchUpdated",
    "item/reasoning/summaryPartAdded",
    "item/started",
    "mcpServer/startupStatus/updated",
    "model/rerouted",
    "modelProvider/authRecoveryStarted",
    "serverRequest/resolved",
    "thread/closed",
    "thread/compacted",
    "thread/deleted",
    "thread/started",
    "thread/tokenUsage/updated",
    "turn/completed",
    "turn/diff/updated",
    "turn/plan/updated",
    "turn/started",
    "warning",
    "windows/worldWritableWarning",
}
"""Notifications that become events, or that the adapter itself acts upon."""

RECORDED_NOTIFICATIONS: Final = frozenset(
    {
        "account/gatewayOAuth/changed",
        "app/list/updated",
        "command/exec/outputDelta",
        "externalAgentConfig/import/completed",
        "externalAgentConfig/import/progress",
        "fs/changed",
        "fuzzyFileSearch/sessionCompleted",
        "fuzzyFileSearch/sessionUpdated",
        "hook/started",
        "item/fileChange/outputDelta",
        "item/mcpToolCall/progress",
        "mcpServer/event/stream/notification",
        "mcpServer/oauthLogin/completed",
        "model/safetyBuffering/updated",
        "model/verification",
        "modelProvider/authRecoveryCompleted",
        "process/exited",
        "process/outputDelta",
        "project/changed",
        "remoteControl/status/changed",
        "skills/changed",
        "thread/archived",
        "thread/attachment/updated",
        "thread/environment/connected",
        "thread/environment/disconnected",
        "thread/goal/cleared",
        "thread/goal/updated",
        "thread/name/updated",
        "thread/prediction/updated",
        "thread/project/updated",
        "thread/queue/changed",
        "thread/readState/changed",
        "thread/realtime/closed",
        "thread/realtime/error",
        "thread/realtime/item/completed",
        "thread/realtime/item/started",
        "thread/realtime/item/transcript/delta",
        "thread/realtime/itemAdded",
        "thread/realtime/outputAudio/delta",
        "thread/realtime/sdp",
        "thread/realtime/started",
        "thread/realtime/transcript/delta",
        "thread/realtime/transcript/done",
        "thread/reverted",
        "thread/settings/updated",
        "thread/status/changed",
        "thread/unarchived",
        "turn/moderationMetadata",
        "windowsSandbox/setupCompleted",
    }
)
"""Notifications that are kept in the record and mean nothing to a person."""

ASKED_REQUESTS: Final = frozenset(
    {
        "applyPatchApproval",
        "execCommandApproval",
        "item/commandExecution/requestApproval",
        "item/fileChange/requestApproval",
        "item/permissions/requestApproval",
        "item/tool/requestUserInput",
        "mcpServer/elicitation/request",
    }
)
"""Server requests that become approvals."""

REFUSED_REQUESTS: Final = frozenset(
    {
        "account/chatgptAuthTokens/refresh",
        "attestation/generate",
        "currentTime/read",
        "item/tool/call",
    }
)
"""Server requests that are answered at once, since no person has to decide on them."""

MAPPED_ITEMS: Final = frozenset(
    {
        "agentMessage",
        "collabAgentToolCall",
        "commandExecution",
        "contextCompaction",
        "dynamicToolCall",
        "enteredReviewMode",
        "exitedReviewMode",
        "fileChange",
        "functionCallOutput",
        "hookPrompt",
        "imageGeneration",
        "imageView",
        "mcpToolCall",
        "plan",
        "reasoning",
        "sleep",
        "subAgentActivity",
        "userMessage",
        "webSearch",
    }
)
"""Item types that a person sees; there is none that is only recorded."""

RECORDED_ITEMS: Final[frozenset[str]] = frozenset()
