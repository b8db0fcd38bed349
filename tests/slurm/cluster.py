"""A real SLURM on one machine: munge, slurmctld and slurmd, without systemd or cgroups."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")

CONFIG = """\
ClusterName=autoaltest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.txt
ReturnToService=2
MpiDefault=none
JobRequeue=1
KillWait=20
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=500 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def why_not() -> str | None:
    """Return why no cluster can be started here, or None."""
    if os.name != "posix" or os.getuid() != 0:
        return "starting SLURM daemons needs root"
    missing = [name for name in NEEDED if shutil.which(name, path=_PATH) is None]
    return f"{', '.join(missing)} not installed (tests/slurm/install.sh installs SLURM)" if missing else None


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Cluster:
    """One node and two partitions: ``low``, and ``high``, which pre-empts it.

    Args:
        folder: For everything that the daemons write.
        cpus: Processors that the node pretends to have.
    """

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder = folder
        self.env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": _PATH}
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._cpus = cpus

    def start(self) -> None:
        """Start the daemons and wait for the node.

        Raises:
            RuntimeError: If it does not come up.
        """
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        host = socket.gethostname().partition(".")[0]
        text = CONFIG.format(host=host, folder=self.folder, cpus=self._cpus)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("")
        socket_file = self.folder / "munge.socket"
        self._spawn(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_file}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )  # fmt: skip
        self._wait(socket_file.exists, "munged")
        self._spawn("slurmctld", "-D", "-i")
        self._spawn("slurmd", "-D", "-N", host)
        self._wait(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T", check=False), "the node")

    def stop(self) -> None:
        """Cancel every job and stop exactly the daemons that were started here."""
        self.ask("scancel", "--user=root", check=False)
        end = time.monotonic() + 40
        while time.monotonic() < end and self.ask("squeue", "--noheader", check=False).strip():
            time.sleep(0.5)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def ask(self, *command: str, check: bool = True) -> str:
        """Run a SLURM command and return what it says."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def jobs(self, state: str) -> list[str]:
        """Return the ids of the jobs in a state, array tasks as ``12_3``."""
        return self.ask("squeue", "--noheader", "--array", f"--states={state}", "--format=%i").split()

    def info(self, job: str) -> dict[str, str]:
        """Return what ``scontrol show job`` says."""
        words = self.ask("scontrol", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def accounts(self) -> dict[str, list[tuple[str, str]]]:
        """Return what SLURM has written down about jobs that ended: name -> (state, exit status), in order.

        ``sacct`` reads a database that this cluster has not got; the log of completed jobs says the same.
        """
        found: dict[str, list[tuple[str, str]]] = {}
        for line in (self.folder / "jobcomp.txt").read_text(encoding="utf-8").splitlines():
            said = dict(word.split("=", 1) for word in line.split() if "=" in word)
            found.setdefault(said["Name"], []).append((said["JobState"], said["ExitCode"]))
        return found

    def begin_now(self) -> None:
        """Let requeued jobs start: SLURM holds them back for two minutes."""
        for job in self.jobs("PENDING"):
            self.ask("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)

    def _spawn(self, *command: str) -> None:
        log = (self.folder / f"{command[0]}.out").open("ab")
        self._daemons.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log))

    def _wait(self, condition: object, what: str) -> None:
        assert callable(condition)
        end = time.monotonic() + 60
        while not condition():
            gone = [d.args for d in self._daemons if d.poll() is not None]
            if gone or time.monotonic() > end:
                logs = "\n".join(p.read_text(errors="replace")[-1500:] for p in self.folder.glob("*.log"))
                raise RuntimeError(f"{what} did not come up:\n{logs}")
            time.sleep(0.2)
