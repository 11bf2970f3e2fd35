"""A scripted model for the demo and the tests: a real agent runs, what its model says is written.

```python
with ScriptedModel([command("touch a", call_id="c1"), message("Made a.")]) as model:
    ...  # start Codex with `codex_config(model)` in the `config` of `thread/start`
    model.wait_for_requests(2)
```

Standard library only; it imports nothing else of this package.
"""

from __future__ import annotations

from autopilot_ls.scripted_model.codex import MODEL, PROVIDER, codex_arguments, codex_config
from autopilot_ls.scripted_model.outputs import (
    JsonObject,
    Output,
    PlanStatus,
    command,
    custom_call,
    flood,
    message,
    patch,
    plan,
    question,
    reasoning,
    tool_call,
)
from autopilot_ls.scripted_model.server import (
    Script,
    ScriptedModel,
    call_outputs,
    last_user_text,
    thread_of,
)
from autopilot_ls.scripted_model.steps import (
    Step,
    Usage,
    compute,
    cut_stream,
    hold,
    http_error,
    respond,
)

__all__ = [
    "MODEL",
    "PROVIDER",
    "JsonObject",
    "Output",
    "PlanStatus",
    "Script",
    "ScriptedModel",
    "Step",
    "Usage",
    "call_outputs",
    "codex_arguments",
    "codex_config",
    "command",
    "compute",
    "custom_call",
    "cut_stream",
    "flood",
    "hold",
    "http_error",
    "last_user_text",
    "message",
    "patch",
    "plan",
    "question",
    "reasoning",
    "respond",
    "thread_of",
    "tool_call",
]
