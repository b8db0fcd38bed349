"""DDP whose sockets no other machine can reach, where all processes are on one."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from datetime import timedelta
from functools import partial

import torch.distributed as torch_dist
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from autoal.distributed import TIMEOUT
from autoal.errors import AutoALError
from autoal.training.environment import meeting_port, met


class LoopbackDDP(DDPStrategy):
    """Binds the store and the processes' connections to the loopback interface where rank 0's address is one.

    PyTorch's own store listens on every interface, whatever ``MASTER_ADDR`` says, and takes anybody for a rank.
    On several machines, and under torchrun, which keeps a store of its own, nothing changes.
    """

    def setup_distributed(self) -> None:
        """Join the process group."""
        self.set_world_ranks()
        environment = self.cluster_environment
        assert environment is not None
        address, own_store = environment.main_address, "TORCHELASTIC_USE_AGENT_STORE" not in os.environ
        if own_store and is_loopback(address) and not torch_dist.is_initialized():
            loopback = "lo0" if sys.platform == "darwin" else "lo"
            for library in ("GLOO", "NCCL"):
                os.environ.setdefault(f"{library}_SOCKET_IFNAME", loopback)
            rank, size = environment.global_rank(), environment.world_size()
            timeout = self._timeout or TIMEOUT
            port, listener = meeting_port(environment, timeout.total_seconds())
            torch_dist.init_process_group(
                self._get_process_group_backend(),
                store=loopback_store(address, port, rank, size, timeout, listener),
                rank=rank,
                world_size=size,
                timeout=timeout,
                device_id=self.root_device if self.root_device.type != "cpu" else None,
            )
            met(environment)
        # Lightning's own part finds the group made and does the rest.
        try:
            super().setup_distributed()
        except torch_dist.DistNetworkError as error:
            if "address already in use" not in str(error).lower():
                raise
            raise AutoALError(
                f"port {environment.main_port} of {address} is taken, perhaps by another job; set MASTER_PORT"
            ) from error


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's loopback interface.

    Example:
        >>> [is_loopback(address) for address in ("127.0.0.1", "localhost", "10.0.0.1", "node7")]
        [True, True, False, False]
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def loopback_store(
    address: str, port: int, rank: int, size: int, timeout: timedelta, listener: int | None = None
) -> TCPStore:
    """Return the store by which the ranks find each other; rank 0 serves it.

    Args:
        address: A loopback address.
        port: Where rank 0 listens.
        rank: This process.
        size: Number of processes.
        timeout: How long a rank waits for another.
        listener: In rank 0, a socket that listens there already; None: it is made.
    """
    handle = listener
    if rank == 0 and handle is None:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        handle = socket.create_server((address, port), family=family).detach()
    store = partial(
        TCPStore,
        address,
        port,
        size,
        is_master=rank == 0,
        timeout=timeout,
        wait_for_workers=False,
        master_listen_fd=handle,
    )
    try:
        return store()
    except NotImplementedError:  # torch 2.6: only the older server takes a socket that listens already
        return store(use_libuv=False)
