"""A Slurm of four nodes on this machine, in a folder, on free ports.

Each node is a slurmd process of its own (`-N`), so that one can be killed with
all that runs on it, as a machine that loses its power.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"
# A job of three components takes three, as they never share one.
NODES = ["n1", "n2", "n3", "n4"]
PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"]
# Of each node, whatever the machine has.
CPUS = 8
# A node that does not answer for so long is down.
NODE_TIMEOUT_SECONDS = 6
# Between SIGTERM and SIGKILL.
KILL_WAIT_SECONDS = 20

CONFIG = """
ClusterName=rlhf
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
# Neither control groups nor accounting.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# Heterogeneous jobs are started by the backfill scheduler alone.
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,batch_sched_delay=1,sched_interval=2
SlurmdParameters=config_overrides
SlurmdTimeout={node_timeout}
KillWait={kill_wait}
ReturnToService=2
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE OverSubscribe=NO
"""
NODE = "NodeName={} NodeHostname={} NodeAddr=127.0.0.1 Port={} CPUs={}\n"


def missing():
    """What of Slurm this machine lacks, in words; "" if nothing."""
    if os.geteuid() != 0:
        return "only root can start a Slurm here"
    absent = [name for name in PROGRAMS if shutil.which(name, path=SBIN) is None]
    return (f"{', '.join(absent)} not found (packages slurm-wlm and munge)"
            if absent else "")


def processes():
    """The folders in /proc of those that run now."""
    return list(pathlib.Path("/proc").glob("[0-9]*"))


def parent_of(process):
    """Its parent's number; 0 if it has ended."""
    try:
        stat = (process / "stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def with_all_below(pid):
    """`pid` and its children, their children, and so on."""
    parents = {int(one.name): parent_of(one) for one in processes()}
    found, new = set(), {pid}
    while new:
        found |= new
        new = {p for p, parent in parents.items() if parent in new} - found
    return found


def variables_of(pid):
    """What the process was started with; nothing if it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (one.partition(b"=") for one in text.split(b"\0"))
    return {name.decode(): value.decode(errors="replace")
            for name, _, value in pairs}


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class SlurmCluster:

    def __init__(self, folder, ports):
        """`folder` must be readable by all; a free port for the controller and
        one for each node."""
        self.folder = pathlib.Path(folder)
        self._processes = {}
        (self.folder / "state").mkdir()
        self.environment = os.environ | {
            "PATH": SBIN, "SLURM_CONF": str(self.folder / "slurm.conf")}
        host = socket.gethostname().partition(".")[0]
        text = CONFIG.format(
            host=host, folder=self.folder, port=ports[0],
            node_timeout=NODE_TIMEOUT_SECONDS, kill_wait=KILL_WAIT_SECONDS)
        text += "".join(NODE.format(node, host, port, CPUS)
                        for node, port in zip(NODES, ports[1:], strict=True))
        (self.folder / "slurm.conf").write_text(text)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

    def start(self):
        self._start("munged", "munged", "--foreground", "--force",
                    *(f"--{what}={self.folder}/munge.{end}" for what, end in [
                        ("socket", "socket"), ("key-file", "key"),
                        ("pid-file", "pid"), ("log-file", "log"),
                        ("seed-file", "seed")]))
        self._start("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self.start_node(node)

    def start_node(self, node):
        (self.folder / f"spool.{node}").mkdir()
        self._start(node, "slurmd", "-D", "-N", node)

    def _start(self, name, *command):
        with open(self.folder / f"{name}.out", "ab") as out:
            self._processes[name] = subprocess.Popen(
                command, stdout=out, stderr=out, env=self.environment)

    def _steps(self):
        """What runs of each step of this Slurm, and on which node: who watches
        over a step has left slurmd, and with it go the step's tasks."""
        for process in processes():
            try:
                name = (process / "comm").read_text().strip()
            except OSError:
                continue
            pid = int(process.name)
            if (name != "slurmstepd" or variables_of(pid).get("SLURM_CONF") !=
                    self.environment["SLURM_CONF"]):
                continue
            pids = with_all_below(pid)
            nodes = {variables_of(one).get("SLURMD_NODENAME") for one in pids}
            yield nodes, pids

    def kill_node(self, node):
        """All at once, as when a machine loses its power."""
        doomed = {self._processes[node].pid}
        for nodes, pids in self._steps():
            if node in nodes:
                doomed |= pids
        kill(doomed)
        self._processes.pop(node).wait()

    def call(self, *command, environment=None):
        """What the command prints; raises with what it says if it fails."""
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=30, cwd=self.folder,
                              env=self.environment | (environment or {}))
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def is_ready(self):
        try:
            states = self.call("sinfo", "--noheader", "--Node", "-o", "%N %t")
        except RuntimeError:
            return False
        return states.split("\n")[:-1] == [f"{node} idle" for node in NODES]

    def stop(self):
        for process in reversed(self._processes.values()):
            process.kill()
            process.wait()
        for _, pids in self._steps():
            kill(pids)
