"""The simulator, as a real process on a real socket, passes the conformance suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers.conformance import PlainServerConformance, ServerConformance
from tests.servers.peer import SimulatorPeer, SimulatorProcess, running


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with running(tmp_path_factory.mktemp("simulator"), "--quotes", "none", "--faults") as process:
        yield process


class TestSimulator(ServerConformance):
    @pytest.fixture
    async def peer(self, process: SimulatorProcess) -> AsyncIterator[SimulatorPeer]:
        peer = SimulatorPeer(process)
        await peer.open()
        yield peer
        await peer.close()


class TestPlainSimulator(PlainServerConformance):
    """A named server that was created without block allocation."""

    @pytest.fixture
    async def peer(self, process: SimulatorProcess) -> AsyncIterator[SimulatorPeer]:
        peer = SimulatorPeer(process, block_allocation=False)
        await peer.open()
        yield peer
        await peer.close()
