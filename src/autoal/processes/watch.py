"""Ranks that watch over each other: which one is dead, hangs, or lets the others wait.

Every rank has a thread that sends the others a datagram now and then: how far its work has come, and what it waits
for. A rank that falls silent (killed, stopped, its machine gone) or does not come to what the others wait for ends
the run on every rank, with one line that names it, before the collectives' own time-out, which names nobody.
"""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INTERVAL = 2.0
"""Longest time between two signs of life, seconds."""

SHARE = 0.8
"""Part of the time-out after which a rank counts as lost: the line is out before a collective gives up."""

MISSED = 3.0
"""Intervals without a sign of life after which a rank counts as gone if its connection has broken too."""

FIRST_WORD = 10.0
"""Intervals that a rank gets for its first sign of life; without one nothing is known of it."""

Exchange = Callable[[Any], list[Any]]
"""Gives every rank the (picklable) values of all, in their order."""


@dataclass
class _Other:
    """What is known of another rank: times are this process's clock."""

    rank: int
    host: str
    pid: int
    address: tuple[str, int]
    heard: float = 0.0
    moved: float = 0.0
    mark: int = 0
    meeting: int = 0
    waits: str = ""
    left: bool = False
    message: str = ""
    signum: int = 0


@dataclass(frozen=True)
class Lost:
    """Why the ranks can't go on.

    Attributes:
        message: One line that names the rank.
        signum: The signal by which that rank was told to stop, or 0.
    """

    message: str
    signum: int = 0


class Watch:
    """This rank's watch over the others; without others every method does nothing.

    Args:
        timeout: Seconds that a collective waits; the watch speaks at :data:`SHARE` of it.
        lost: Called by the watch's thread with the line that names a silent or late rank, and whether this is the
            rank that should say it; must end the process.
    """

    def __init__(self, timeout: float = 1800.0, lost: Callable[[str, bool], None] = lambda *_: None) -> None:
        self.limit = SHARE * timeout
        self._interval = min(INTERVAL, timeout / 40)
        self._lost = lost
        self._rank, self._size = 0, 1
        self._others: dict[int, _Other] = {}
        self._mark = self._meeting = 0
        self._waits, self._last, self._since = "", "", 0.0
        self._change = threading.Condition()
        self._over = threading.Event()
        self._socket: socket.socket | None = None
        self._token, self._joined = "", 0.0

    def join(self, rank: int, size: int, exchange: Exchange, address: str) -> None:
        """Learn where the others are, and begin.

        Args:
            rank: This process.
            size: Number of processes.
            exchange: A collective of all ranks.
            address: Where rank 0 listens; decides on which interface this rank does.
        """
        if size == 1 or self._socket is not None:
            return
        self._rank, self._size = rank, size
        self._socket = socket.socket(*_family(address))
        self._socket.bind((_own_address(address), 0))
        self._socket.setblocking(False)
        about = (socket.gethostname(), os.getpid(), self._socket.getsockname()[:2], os.urandom(8).hex())
        every = exchange(about)
        self._token = str(every[0][3])
        self._joined = now = time.monotonic()
        for other, (host, pid, place, _) in enumerate(every):
            if other != rank:
                self._others[other] = _Other(other, host, pid, tuple(place), heard=0.0, moved=now)
        threading.Thread(target=self._run, name="autoal-watch", daemon=True).start()

    # --- what the main thread says ---------------------------------------------------------------------

    def beat(self) -> None:
        """Say that this rank's work goes on: called from long loops."""
        self._mark += 1

    def begin(self, what: str) -> None:
        """Say that this rank is at something in which all take part, and may have to wait for them.

        Args:
            what: Named in the line about a rank that does not come.
        """
        self._mark += 1
        self._since, self._waits, self._last = time.monotonic(), what, what

    def end(self) -> None:
        """Say that it is over."""
        self._waits = ""

    @contextmanager
    def together(self, what: str) -> Iterator[None]:
        """Stand between :meth:`begin` and :meth:`end`."""
        self.begin(what)
        try:
            yield
        finally:
            self.end()

    def meet(self, what: str) -> None:
        """Wait until every rank is here, for as long as those that are not give signs of progress.

        What ranks do by themselves may take longer than a collective waits; so they meet before the next one.

        Args:
            what: Named in the line about a rank that does not come.

        Raises:
            RuntimeError: If a rank that is waited for has died.
        """
        if not self._others:
            return
        self._meeting += 1
        mine = self._meeting
        with self.together(what):
            self._send()
            with self._change:
                while missing := [o for o in self._others.values() if self._missing(o, mine)]:
                    if any(_dead(other) for other in missing):
                        raise RuntimeError("the connection to another rank is lost")
                    self._change.wait(self._interval)

    def _missing(self, other: _Other, meeting: int) -> bool:
        """Whether a rank has yet to come; one that was never heard (a firewall) is left to the next collective."""
        heard = other.heard or time.monotonic() < self._joined + FIRST_WORD * self._interval
        return other.meeting < meeting and not other.left and bool(heard)

    def leave(self, message: str = "", signum: int = 0) -> None:
        """Say good-bye: from now on silence means nothing.

        Args:
            message: The error that ends this rank.
            signum: The signal that stopped it.
        """
        if self._socket is not None and not self._over.is_set():
            self._send(left=True, message=message[:500], signum=signum)
        self._over.set()

    def culprit(self) -> Lost | None:
        """Say which rank is to blame for a connection that broke, or None if every one gives signs of life."""
        end = time.monotonic() + (MISSED + 1) * self._interval
        while self._others and time.monotonic() < end:
            found = self._gone()
            if found is not None:
                return found
            time.sleep(self._interval / 4)
        late = [o for o in self._others.values() if o.mark < self._mark and o.heard]
        if late:
            return Lost(f"{self._name(min(late, key=lambda o: o.mark))} did not come to {self._last}")
        return None

    def _gone(self) -> Lost | None:
        now = time.monotonic()
        # One that was told to stop, or failed by itself, has taken others with it.
        for other in sorted(self._others.values(), key=lambda o: (not o.signum, not o.message, o.rank)):
            if other.left and other.message:
                return Lost(f"{self._name(other)} ended: {other.message}", other.signum)
            if other.heard and not other.left:
                if _dead(other):
                    return Lost(f"{self._name(other)} has died")
                if now - other.heard > MISSED * self._interval:
                    return Lost(f"{self._name(other)} gives no sign of life")
        return None

    # --- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        assert self._socket is not None
        before = time.monotonic()
        while not self._over.is_set():
            self._send()
            select.select([self._socket], [], [], self._interval)
            self._receive()
            now = time.monotonic()
            if now - before > 4 * self._interval:
                # This process was itself suspended: the others' silence is older than its own sleep.
                for other in self._others.values():
                    other.heard, other.moved = other.heard and now, now
                self._since = now
            before = now
            found = self._judge(now)
            if found is not None and not self._over.is_set():
                spokesman, line = found
                if not spokesman:
                    time.sleep(3 * self._interval)  # the one that writes the line is not to be torn down first
                self._lost(line, spokesman)
                return

    def _judge(self, now: float) -> tuple[bool, str] | None:
        """Return (whether this rank is the one to say it, the line) if some rank has been silent for too long."""
        alive = [o for o in self._others.values() if o.heard and not o.left]
        silent = [o for o in alive if now - o.heard > self.limit]
        seconds = f"{self.limit:.0f} s" if self.limit < 120 else f"{self.limit / 60:.0f} min"
        if silent:
            why = f"gave no sign of life for {seconds}"
        elif self._waits and now - self._since > self.limit:
            silent = [o for o in alive if o.mark < self._mark and not o.waits] or [
                o for o in alive if o.mark < self._mark
            ]
            silent = [o for o in silent if now - o.moved > self.limit]
            why = f"did not come to {self._waits} for {seconds}"
        if not silent:
            return None
        first = min(silent, key=lambda o: (o.mark, o.rank))
        speaking = min([self._rank, *(o.rank for o in alive if o not in silent)])
        return speaking == self._rank, f"{self._name(first)} {why} (trainer.timeout_min)"

    def _name(self, other: _Other) -> str:
        return f"rank {other.rank} of {self._size} (process {other.pid} on {other.host})"

    def _send(self, **more: Any) -> None:
        word = {"token": self._token, "rank": self._rank, "mark": self._mark, "meeting": self._meeting}
        data = json.dumps({**word, "waits": self._waits, **more}).encode()
        assert self._socket is not None
        for other in self._others.values():
            try:
                self._socket.sendto(data, other.address)
            except OSError:
                continue  # its machine is gone; or the buffer is full, and the next word says the same

    def _receive(self) -> None:
        assert self._socket is not None
        while True:
            try:
                word = json.loads(self._socket.recv(65536))
                if word["token"] != self._token:
                    continue
                other = self._others[int(word["rank"])]
            except (BlockingIOError, InterruptedError):
                return
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a word that is not of this run; or one to a rank that has gone came back
            with self._change:
                other.heard = time.monotonic()
                if word["mark"] != other.mark:
                    other.mark, other.moved = int(word["mark"]), other.heard
                other.meeting, other.waits = int(word["meeting"]), str(word["waits"])
                other.left = bool(word.get("left")) or other.left
                other.message = str(word.get("message") or other.message)
                other.signum = int(word.get("signum") or other.signum)
                self._change.notify_all()


def _dead(other: _Other) -> bool:
    """Whether a process of this machine is no more; False for one of another machine."""
    if other.host != socket.gethostname():
        return False
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:
        state = Path(f"/proc/{other.pid}/stat").read_text(encoding="utf-8", errors="replace")
        return state.rpartition(")")[2].split()[0] in ("Z", "X")
    except (OSError, IndexError):
        return False


def _family(address: str) -> tuple[int, int]:
    family = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0][0]
    return family, socket.SOCK_DGRAM


def _own_address(address: str) -> str:
    """Return the address of the interface that leads to rank 0: the loopback one where all are on one machine."""
    family, kind = _family(address)
    with socket.socket(family, kind) as probe:
        probe.connect((address, 9))  # sends nothing
        return str(probe.getsockname()[0])
