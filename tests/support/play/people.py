"""What the person does in the editor, and other programs on disk. `scene` stands below."""

from __future__ import annotations

from autopilot_ls.edits.lines import split
from tests.support.play.disk import TEXTS, picked, tokens
from tests.support.play.scene import Scene


class People(Scene):
    """Adds the steps of the person and of other programs."""

    async def do_open(self, file: int) -> None:
        self.editor.open(picked(TEXTS, file))

    async def do_type(self, file: int, where: int, how: int) -> None:
        self.quick_type(file, where, how)

    def quick_type(self, file: int, where: int, how: int) -> None:
        name = picked(TEXTS, file)
        with self.ledger.deed():
            self.editor.open(name)
            if name in self.editor.buffers:
                self.editor.type(name, where, how)

    async def do_touch(self, which: int, where: int, how: int, save: int) -> None:
        """The person types into a file that a waiting patch is about, and may save it."""
        approval = self._waiting(which)
        proposal = None if approval is None else self.proposals.get(approval.native_key)
        if proposal is None:
            return
        number = TEXTS.index(proposal.pieces[where % len(proposal.pieces)].name)
        self.quick_type(number, where, how)
        if save % 3 == 0:
            self.quick_save(number, 1)
            if save % 2:
                await self.do_notify()

    async def do_take_back(self, file: int) -> None:
        name = picked(TEXTS, file)
        with self.ledger.deed():
            if name in self.editor.buffers:
                self.editor.take_back(name)

    async def do_close(self, file: int, discard: int) -> None:
        name = picked(TEXTS, file)
        with self.ledger.deed():
            buffer = self.editor.buffers.get(name)
            if buffer is not None and (not buffer.dirty or discard % 4 == 0):
                del self.editor.buffers[name]

    async def do_look_up(self, file: int) -> None:
        """The editor notices by itself what has changed on disk."""
        with self.ledger.deed():
            self.editor.reload(picked(TEXTS, file))

    async def do_save(self, file: int, over: int, late: int) -> None:
        self.quick_save(file, over)
        if late % 4:
            await self.do_notify()

    def quick_save(self, file: int, over: int) -> None:
        name = picked(TEXTS, file)
        if name not in self.editor.buffers:
            return
        stale = self.editor.buffers[name].base != self.disk.data(name)
        before = tokens([self.disk.data(name)])
        with self.ledger.deed():
            save = self.editor.save(name, over=over % 3 > 0)
        if save is not None:
            self.saves.append(save)
            self.saved_since |= tokens([save.text])
            if save.text != save.loaded:
                self.ledger.touch([name])  # An agent may have made the same change unseen.
        if save is not None:
            for token in tokens([save.loaded]) - tokens([save.text]):
                self.ledger.taken.pop(token, None)
        if save is not None and stale:
            # Who saves over what they have not seen takes out what was in it.
            for token, (_, where) in list(self.ledger.taken.items()):
                if where == name and token not in tokens([save.text]):
                    del self.ledger.taken[token]
            # What an editor had read long ago cannot be told from what it has just read.
            self.ledger.copied |= tokens([save.loaded]) - before

    async def do_notify(self) -> None:
        while self.saves:
            save = self.saves.pop(0)
            await self.supervisor.review.saved(save.path, save.loaded, save.text)

    async def do_outside(self, file: int, where: int, how: int) -> None:
        self.quick_outside(file, where, how)

    def quick_outside(self, file: int, where: int, how: int) -> None:
        name = picked(TEXTS, file)
        before = tokens([self.disk.data(name)])
        self._write_outside(name, where, how)
        # What goes with it in another place, which a patch is just moving it to, went by this.
        self.ledger.may_go |= before - tokens([self.disk.data(name)])

    def _write_outside(self, name: str, where: int, how: int) -> None:
        data = self.disk.data(name)
        with self.ledger.deed():
            if data is None:
                self.disk.write(name, self._outside_line())
                return
            lines = split(data)
            at = where % (len(lines) + 1)
            match how % 5:
                case 0 if lines:
                    del lines[at % len(lines)]
                case 1:
                    self.disk.write(name, None)
                    return
                case _:
                    if at and not lines[at - 1].endswith((b"\n", b"\r")):
                        lines[at - 1] += b"\n"
                    lines.insert(at, self._outside_line())
            self.disk.write(name, b"".join(lines))

    def _outside_line(self) -> bytes:
        self.keys += 1
        # What happens while a turn begins cannot be told from what its agent does first.
        near = self.armed or (self.fired and self.now in ("turn", "mode"))
        mark = "o" if self.is_at_work() or near else "x"
        return f"{mark}{self.keys}~ another program\n".encode()

    async def do_commit(self) -> None:
        self.stage.snapshots.commits.append(self.disk.all())
        self.committed = True
        self.ledger.touch(self.unlooked)
