"""The memory that processes hold together, watched while they run."""
import pathlib
import threading


def _fields(pid, name):
    try:
        lines = pathlib.Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return {}
    pairs = (line.split() for line in lines if line.endswith(" kB"))
    return {pair[0].rstrip(":"): int(pair[1]) * 1024 for pair in pairs}


class MemoryWatch:
    """Highest memory since it was made, in bytes.

    `peak_bytes` is the highest sum of the processes' proportional set sizes at
    one moment: what they take of the machine, a page that several of them map
    counted once. `peak_rss_bytes` is the sum of each one's highest resident set,
    whenever it was, shared pages counted once for each process. Of one process
    alone both are what the kernel has noted as its peak: looking costs nothing.
    """

    def __init__(self, pids, interval=0.5):
        self._pids, self._interval = list(pids), interval
        self._stop = threading.Event()
        self.peak_bytes, self._rss = 0, {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _look(self):
        for pid in self._pids:
            self._rss[pid] = max(self._rss.get(pid, 0), _fields(pid, "status").get("VmHWM", 0))
        together = (self.peak_rss_bytes if len(self._pids) == 1
                    else sum(_fields(pid, "smaps_rollup").get("Pss", 0) for pid in self._pids))
        self.peak_bytes = max(self.peak_bytes, together)

    def _run(self):
        while not self._stop.wait(self._interval):
            self._look()

    def stop(self):
        self._look()
        self._stop.set()
        self._thread.join()

    @property
    def rss_bytes(self):
        """Each process's highest resident set, in the order given."""
        return [self._rss.get(pid, 0) for pid in self._pids]

    @property
    def peak_rss_bytes(self):
        return sum(self.rss_bytes)
