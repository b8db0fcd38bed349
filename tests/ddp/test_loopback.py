"""Where one machine is meant, no socket of the ranks can be reached from another."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.faults import lives
from tests.faults.lives import Fault

LISTEN = "0A"


def listening(pid: int) -> list[str]:
    """Return the addresses, in the kernel's hexadecimal, on which a process listens."""
    sockets = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        match = re.fullmatch(r"socket:\[(\d+)\]", str(handle.readlink()))
        if match:
            sockets.add(match[1])
    found = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTEN and words[9] in sockets:
                found.append(words[1].partition(":")[0])
    return found


@pytest.mark.ddp
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the kernel's table of sockets")
def test_the_ranks_listen_on_loopback_alone(tmp_path: Path) -> None:
    cfg = lives.config("strategy=margin", "loop.n_rounds=1")
    cfg["trainer"] = {**cfg["trainer"], "strategy": "ddp", "devices": 2}
    port = lives.free_port()
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    stopped = Fault("autoal.training.lit:LitClassifier.training_step", 3, "send", {"signal": "SIGSTOP"})
    ranks = [
        lives.start([(cfg, tmp_path / name)], faults=[stopped], env={**env, "LOCAL_RANK": str(rank)})
        for rank, name in enumerate(("run", "rank1"))
    ]
    pids = [process.pid for process in ranks if process.pid is not None]
    try:
        lives.wait_for(lambda: all(_state(pid) == "T" for pid in pids), limit=120)
        addresses = [address for pid in pids for address in listening(pid)]
        assert addresses, "rank 0 serves the store"
        for address in addresses:
            # 127.x.y.z or ::1, as the kernel writes them on a little-endian machine.
            assert address.endswith("7F") or address == "00000000000000000000000001000000", addresses
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        assert [lives.end(process) for process in ranks] == [0, 0], lives.log_of(tmp_path / "run")
    finally:
        for process in ranks:
            process.kill()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
