"""The one configuration that every persisted or published model shares.

Not aware of any concrete model. `items`, `approvals`, `events` and the layers above build on it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Frozen(BaseModel):
    """An immutable value: snake_case in Python, camelCase in JSON, unknown members refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,
    )
