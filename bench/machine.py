"""What a measurement was made on, and where it is kept."""
import datetime
import json
import os
import pathlib


def machine():
    """Processor, cores that may be used, and memory."""
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    wanted = ("avx512f", "avx512_bf16", "amx_bf16")
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": fields.get("model name", "unknown"),
            "instructions": [flag for flag in wanted if flag in fields.get("flags", "").split()],
            "cores": len(os.sched_getaffinity(0)), "memory_gib": round(gib, 1)}


def arguments(args):
    """Of a command line, as results keep them: paths differ from machine to machine."""
    return {name: str(value) for name, value in vars(args).items() if not isinstance(value, pathlib.Path)}


def save_results(name, **fields):
    """Writes bench/results/NAME.json: the date, the machine, then `fields`."""
    folder = pathlib.Path(__file__).resolve().parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(
        {"date": datetime.date.today().isoformat(), "machine": machine(), **fields}, indent=1) + "\n")
