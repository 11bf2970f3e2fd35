"""The one tree of settings, from which the JSON Schema, editors' settings and the docs are made.

Values only: not aware of where they come from (`loading` knows) nor of what is done with them. Each
field has a description that a person reads in an editor, with its unit. Fields that decide what is
run or what is written where carry `scope: machine` in the schema, which keeps VS Code from taking
them out of a repository's own settings.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
)

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.settings.templates import check_template

OWN: Final[dict[str, JsonValue]] = {"scope": "machine"}
"""Marks a setting that no repository may have a say in: VS Code keeps it from a workspace's settings,
and `loading` from every layer that an editor may merge with them."""


def _to_mode(value: object) -> object:
    """Turn the text into a mode; what is none stays as it is, and is refused with the names."""
    try:
        return Mode(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _to_path(value: object) -> object:
    """Expand a leading `~`; a relative path would depend on where the editor was started."""
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise ValueError("a path cannot contain a NUL character")
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError("there is no such user, so that ~ cannot be expanded") from None
    if not path.is_absolute():
        raise ValueError("must be an absolute path, or begin with ~")
    return path


def _check_pattern(value: str) -> str:
    try:
        with warnings.catch_warnings():
            # A doubtful pattern is still a pattern; the standard error stream is for the log.
            warnings.simplefilter("ignore")
            re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


def _check_argument(value: str) -> str:
    if "\0" in value:
        raise ValueError("cannot contain a NUL character")
    return value


def _check_command(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and not value[0].strip():
        raise ValueError("the first word must name the program")
    return value


def _check_variable_name(value: str) -> str:
    if not value or "=" in value or "\0" in value:
        raise ValueError("is not a name for an environment variable")
    return value


def _check_variable_value(value: SecretStr) -> SecretStr:
    _check_argument(value.get_secret_value())
    return value


AbsolutePath = Annotated[Path, BeforeValidator(_to_path)]
Pattern = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_check_pattern)]
Argument = Annotated[str, StringConstraints(max_length=32_768), AfterValidator(_check_argument)]
VariableName = Annotated[
    str, StringConstraints(max_length=1000), AfterValidator(_check_variable_name)
]
VariableValue = Annotated[SecretStr, AfterValidator(_check_variable_value)]
News = Literal["limit", "high-risk", "approval", "turn-end"]
Limit = Annotated[int, Field(ge=0, le=1_000_000_000)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Group(Frozen):
    """A named group of settings; all have defaults, and errors never quote what was entered."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True, hide_input_in_errors=True, validate_default=False
    )


class CodexSettings(Group):
    """How Codex is found, started and configured."""

    command: Annotated[tuple[Argument, ...], AfterValidator(_check_command)] = Field(
        default=(),
        strict=False,
        max_length=100,
        description=(
            "The program and its first arguments that start Codex, without `app-server`, for "
            'instance `["/opt/codex/bin/codex"]`. Empty: the binary that the extra '
            "`autopilot-ls[codex]` installed, else `codex` from the PATH."
        ),
        json_schema_extra=OWN,
    )
    home: AbsolutePath | None = Field(
        default=None,
        description=(
            "Codex's own folder (CODEX_HOME), with its login, configuration and stored threads. "
            "Absolute, or beginning with ~. Not set: what CODEX_HOME says, else ~/.codex."
        ),
        json_schema_extra=OWN,
    )
    env: dict[VariableName, VariableValue] = Field(
        default_factory=dict,
        description=(
            "Environment variables for Codex, on top of those that Autopilot was started with. "
            "Values are taken for secrets and never shown."
        ),
        json_schema_extra=OWN,
    )
    config: dict[str, JsonValue] = Field(
        default_factory=dict,
        repr=False,
        description=(
            "Overrides of Codex's config.toml, nested as there, for instance "
            '`{"model_reasoning_summary": "detailed"}`. What decides about approvals and the '
            "sandbox is set by Autopilot and cannot be overridden here."
        ),
        json_schema_extra=OWN,
    )
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="The model that a new session uses. Not set: Codex's own default.",
    )
    effort: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,20}$")] | None = Field(
        default=None,
        description=(
            "The reasoning effort that a new session uses, for instance low, medium or high; the "
            "model decides which it knows. Not set: Codex's own default."
        ),
    )
    request_timeout: Seconds = Field(
        default=30.0, description="How long one request to Codex may take, in seconds."
    )
    start_timeout: Seconds = Field(
        default=20.0,
        description="How long Codex may take from its start until it is ready, in seconds.",
    )


class TraceSettings(Group):
    """What is kept of the record of each session, and for how long."""

    max_age_days: Limit = Field(
        default=90,
        description="Sessions that were last used longer ago are deleted, in days. 0: no limit.",
    )
    max_size_megabytes: Limit = Field(
        default=4096,
        description=(
            "The size of all records together, in megabytes; beyond it the oldest sessions are "
            "deleted, never one that is in use. 0: no limit."
        ),
    )
    max_session_megabytes: Limit = Field(
        default=1024,
        description=(
            "The size of one session's record, in megabytes. A session that reaches it declines "
            "what is pending and stops, since nothing may happen unrecorded. 0: no limit."
        ),
    )
    redact: tuple[Pattern, ...] = Field(
        default=(),
        strict=False,
        max_length=100,
        description=(
            "Regular expressions (as Python's) for further secrets, beside the known forms of "
            "keys and tokens. What they match is hidden in what is shown."
        ),
        json_schema_extra=OWN,
    )


class TranscriptSettings(Group):
    """The transcript that an editor can open."""

    follow_seconds: Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)] = Field(
        default=1.0,
        description=(
            "While a turn runs, an open transcript is brought up to date at most once in this "
            "time, in seconds."
        ),
    )


class ApprovalSettings(Group):
    """How a waiting approval makes itself known."""

    show_message: bool = Field(
        default=True,
        description=(
            "Whether a message says that an approval waits, in editors that are known to show it "
            "without taking the keyboard. The message never offers to accept."
        ),
    )


class NotifySettings(Group):
    """The command that tells a person who is away."""

    command: Annotated[tuple[Argument, ...], AfterValidator(check_template)] = Field(
        default=(),
        strict=False,
        max_length=100,
        description=(
            "The command that tells you what happens while you are away: a list of words, never run by a "
            'shell, for instance `["notify-send", "--", "{title}", "{text}"]`. In them `{title}`, '
            "`{text}`, `{session}`, `{workspace}` and `{kind}` are replaced. Empty: none."
        ),
        json_schema_extra=OWN,
    )
    on: tuple[News, ...] = Field(
        default=("limit", "high-risk"),
        strict=False,
        max_length=10,
        description=(
            "What the command tells. limit: a limit is reached. high-risk: something of high risk waits for "
            "you in auto or escalate. approval: anything waits for you. turn-end: a turn has ended."
        ),
        json_schema_extra=OWN,
    )


class ReviewSettings(Group):
    """Reviewing afterwards what an agent changed without asking, and undoing it."""

    enabled: bool = Field(
        default=True,
        description=(
            "Whether a baseline of the workspace is taken before each turn, by which all that changes "
            "can be reviewed afterwards and undone. It needs git."
        ),
        json_schema_extra=OWN,
    )


class SharedSettings(Group):
    """The process that several editors share, with `--remote=auto`."""

    idle_seconds: Annotated[float, Field(ge=0, le=604_800, allow_inf_nan=False)] = Field(
        default=600.0,
        description=(
            "How long the shared process stays when no editor is connected and nothing runs or waits, in "
            "seconds. What the editor that connected last says counts."
        ),
    )


class Settings(Group):
    """All settings of Autopilot."""

    runtime: Literal["codex"] = Field(
        default="codex", description="The agent that a new session is run by."
    )
    mode: Annotated[
        Literal[Mode.READ_ONLY, Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE], BeforeValidator(_to_mode)
    ] = Field(
        default=Mode.PROPOSE,
        description=(
            "How autonomous a new session is. read-only: nothing is executed or edited. propose: "
            "every patch, and every command that is not plainly reading, asks. auto: what the policy's "
            "rules allow goes, the rest asks or is denied. escalate: as auto, and what is of high risk "
            "waits for a person, whatever allows it."
        ),
        json_schema_extra=OWN,
    )
    state_dir: AbsolutePath | None = Field(
        default=None,
        description=(
            "The folder for sessions and their records, absolute or beginning with ~. Not set: "
            "the platform's folder for state, such as ~/.local/state/autopilot-ls."
        ),
        json_schema_extra=OWN,
    )
    policy_file: AbsolutePath | None = Field(
        default=None,
        description=(
            "The file with your own policy, absolute or beginning with ~; it must be there. Not set: policy.toml "
            "in the platform's folder for configuration, such as ~/.config/autopilot-ls."
        ),
        json_schema_extra=OWN,
    )
    log_level: Literal["error", "warning", "info", "debug"] = Field(
        default="warning", description="What Autopilot writes to its log, from few to many."
    )
    log_file: AbsolutePath | None = Field(
        default=None,
        description=(
            "The file for Autopilot's log, absolute or beginning with ~. Not set: the standard "
            "error stream, which editors show as the language server's output."
        ),
        json_schema_extra=OWN,
    )
    codex: CodexSettings = Field(
        default_factory=CodexSettings,
        description="How Codex is found, started and configured.",
    )
    trace: TraceSettings = Field(
        default_factory=TraceSettings,
        description="What is kept of the record of each session, and for how long.",
    )
    transcript: TranscriptSettings = Field(
        default_factory=TranscriptSettings,
        description="The transcript that an editor can open.",
    )
    approvals: ApprovalSettings = Field(
        default_factory=ApprovalSettings,
        description="How a waiting approval makes itself known.",
    )
    notify: NotifySettings = Field(
        default_factory=NotifySettings,
        description="The command that tells a person who is away.",
    )
    review: ReviewSettings = Field(
        default_factory=ReviewSettings,
        description="Reviewing afterwards what an agent changed without asking, and undoing it.",
    )
    shared: SharedSettings = Field(
        default_factory=SharedSettings,
        description="The process that several editors share, with `--remote=auto`.",
    )

    @property
    def state_folder(self) -> Path:
        """The folder for state: the one that is set, else the platform's. It may not exist yet."""
        if self.state_dir is not None:
            return self.state_dir
        from platformdirs import user_state_path

        return user_state_path("autopilot-ls", appauthor=False)

    @property
    def policy_path(self) -> Path:
        """The file with the user's own policy: the one that is set, else the platform's place."""
        if self.policy_file is not None:
            return self.policy_file
        from platformdirs import user_config_path

        return user_config_path("autopilot-ls", appauthor=False) / "policy.toml"


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of the tree, as it stands in `schemas/settings.json`."""
    schema: Mapping[str, object] = Settings.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of autopilot-ls",
        **{key: value for key, value in schema.items() if key != "title"},
    }
