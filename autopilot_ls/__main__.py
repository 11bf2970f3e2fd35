"""The program's entry: decides between the language server and the command line, and nothing else.

An editor starts the server again and again and waits for it, so nothing is imported before it is known
which of the two is wanted. Not aware of what either does. `lsp.main` and `cli.main` stand below.
"""

import sys


def main() -> int:
    """Run the program; returns its exit code (see `autopilot-ls --help` for what they mean)."""
    arguments = sys.argv[1:]
    # Some clients add their process id; the server learns it from `initialize` anyway.
    if all(word == "--stdio" or word.startswith("--clientProcessId=") for word in arguments):
        if sys.stdin is not None and sys.stdin.isatty():
            print(
                "autopilot-ls: waiting for an editor on standard input, as a language server. "
                "To use it by hand see: autopilot-ls --help",
                file=sys.stderr,
            )
        from autopilot_ls.lsp.main import serve_stdio

        return serve_stdio()
    from autopilot_ls.cli.main import run_command

    return run_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
