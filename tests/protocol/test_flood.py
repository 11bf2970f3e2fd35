"""A flood of everything, 20,000 events a second, through the real server: what reaches an editor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tests.bench.flood_agent import Plan
from tests.bench.hud import watch
from tests.bench.lsp_client import Json, LspClient
from tests.bench.scene import Scene, scene

SECONDS = 2.0
MOST = 35
"""Messages of all kinds within any second."""


class WatchingScene(Scene):
    """A scene whose client keeps the statuses that it is told."""

    def __init__(self, client: LspClient, reports: Path) -> None:
        self.statuses: list[Json] = []
        self._told = threading.Condition()
        super().__init__(client, reports)

    def wait_for_status(self, condition: Callable[[Json], bool], limit: float = 30.0) -> bool:
        """Wait until the newest status fulfils the condition; tells whether it does."""
        with self._told:
            return self._told.wait_for(
                lambda: bool(self.statuses) and condition(self.statuses[-1]), limit
            )

    def _notified(self, arrived: int, method: str, params: Json) -> None:
        if method == "autopilot/status":
            with self._told:
                self.statuses.append(cast("Json", params["status"]))
                self._told.notify_all()
        super()._notified(arrived, method, params)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("opted_in", [{"events": False}, True, False], ids=["ours", "all", "plain"])
def test_no_editor_is_told_more_than_it_can_use(tmp_path: Path, *, opted_in: bool | Json) -> None:
    with scene(WatchingScene, tmp_path, opted_in=opted_in) as place:
        place.play(Plan(rate=1000, seconds=0.1), 60)
        found = watch(place, SECONDS)
        assert found.sent == 20_000 * SECONDS
        assert found.most <= MOST, sorted({method for _, method in found.arrivals})
        # And there is something to see all the time, not only at the end.
        assert len(found.arrivals) >= 5 * SECONDS
        shown = cast("Json", place.client.execute("autopilot.status", {}))
        (view,) = cast("list[Json]", shown["sessions"])
        assert view["state"] == "completed"
        if opted_in:
            # The last word may come a moment after the end of the progress.
            assert place.wait_for_status(lambda told: told["plan"] == view["plan"])
            numbers = [cast("int", status["seq"]) for status in place.statuses]
            assert numbers == sorted(numbers)
