"""`python -m editors.generate [--check]`: write the generated files of the clients, or compare them.

Exits with 1 when `--check` finds one that differs. The generators stand below.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from editors.generate import lua, manifest, typescript
from editors.generate.sources import ROOT, Schemas

Generator: TypeAlias = Callable[[Schemas], Mapping[Path, str]]

GENERATORS: Final[tuple[Generator, ...]] = (
    lua.generate,
    typescript.generate,
    manifest.generate,
)


def main() -> int:
    """Write or compare everything; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m editors.generate")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    check = parser.parse_args().check
    schemas, differing = Schemas.load(), 0
    for generator in GENERATORS:
        for name, text in generator(schemas).items():
            path = ROOT / name
            written = path.read_text(encoding="utf-8") if path.exists() else None
            if written == text:
                continue
            if check:
                differing += 1
                print(
                    f"{name} differs from what schemas/ say: run `make schemas`.", file=sys.stderr
                )
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(f"wrote {name}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
