"""Live: sockets. A snapshot, then frames, each client its own slice.

May import engine and below; every database call enters the broker's schema itself.
"""
