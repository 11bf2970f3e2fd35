"""The least that pygls can serve: what start-up and memory are measured against."""

from pygls.lsp.server import LanguageServer

if __name__ == "__main__":
    LanguageServer("bare", "0").start_io()
