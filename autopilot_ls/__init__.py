"""autopilot-ls: supervise coding agents from any editor that speaks the Language Server Protocol."""

__version__ = "0.1.0"
