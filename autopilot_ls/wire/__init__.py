"""The wire to an agent: its process, its lines, its JSON-RPC frames.

Not aware of what a method means or of any particular agent. Above stand the runtimes, below stands
only the model (for its errors). `process` is the only module of the project that spawns.
"""
