"""The engine's own desk: a simulator process and a running engine, on committed rows."""

from tests.engine.conftest import desk, simulator

__all__ = ["desk", "simulator"]
