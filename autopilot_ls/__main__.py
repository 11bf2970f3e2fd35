"""The program's entry: decides between the language server and the command line, and nothing else.

An editor starts the server again and again and waits for it, so nothing is imported before it is known
which of them is wanted. Not aware of what they do. `lsp.main`, `shared.forwarder` and `cli.main` stand below.
"""

import sys

REMOTE = "--remote=auto"
"""Asks for the process that all editors of a user share; the word is gopls's."""


def main() -> int:
    """Run the program; returns its exit code (see `autopilot-ls --help` for what they mean)."""
    arguments = sys.argv[1:]
    is_shared = REMOTE in arguments
    # Some clients add their process id; the server learns it from `initialize` anyway.
    if all(
        word in {"--stdio", REMOTE} or word.startswith("--clientProcessId=") for word in arguments
    ):
        if sys.stdin is not None and sys.stdin.isatty():
            print(
                "autopilot-ls: waiting for an editor on standard input, as a language server. "
                "To use it by hand see: autopilot-ls --help",
                file=sys.stderr,
            )
        said = ""
        if is_shared:
            from autopilot_ls.shared.forwarder import forward
            from autopilot_ls.shared.places import NotShared

            try:
                return forward()
            except NotShared as error:
                said = f"This editor has a process of its own, because {error}."
                print(f"autopilot-ls: {said}", file=sys.stderr)
        from autopilot_ls.lsp.main import serve_stdio

        return serve_stdio(said)
    from autopilot_ls.cli.main import run_command

    return run_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
