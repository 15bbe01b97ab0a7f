#!/usr/bin/env python3
"""What rlhf is built from, and whether that is pinned.

  tools/sbom.py           a CycloneDX 1.5 document on stdout
  tools/sbom.py --check   downloads without a hash, installed versions that are not
                          the pinned ones; exit code 1 if there are any

Reads the files that say what is installed, dpkg, Debian's copyright files and the
metadata of installed Python packages; asks no network.
"""

import argparse
import dataclasses
import email.parser
import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WHEELS = "tools/wheels.txt"
DEBIAN = "tools/debian-packages.txt"
# Where `make` installs each list of Python packages.
VENVS = {
    "tools/requirements-setup.txt": ".venv",
    "tools/requirements-launch.txt": ".venv-launch",
    "tools/requirements-page.txt": ".venv-page",
    "tools/requirements-parity.txt": ".venv-parity",
    "bench/peers/requirements.txt": ".venv-bench",
}
# Which wheel lies behind a stamp that setup.sh leaves.
STAMPS = ("torch", "runtime", "cuda", "model")


@dataclasses.dataclass
class Component:
    kind: str  # "pypi" or "deb"
    name: str
    version: str | None  # none: not known
    source: str  # the file that asks for it
    sha256: str | None = None
    licence: str | None = None
    installed: str | None = None


def lines(text):
    """(number, content) of lines that say something."""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if line:
            yield number, line


def read_wheels(text, source=WHEELS):
    found = []
    for number, line in lines(text):
        match = re.fullmatch(r"([0-9a-f]{64})  (\w+)-([\w.]+)-\S+\.whl", line)
        if match is None:
            raise ValueError(f"{source}:{number}: wanted SHA-256, two spaces and the "
                             f"name of a wheel, not {line!r}")
        digest, name, version = match.groups()
        found.append(Component("pypi", name.replace("_", "-"), version, source, digest))
    return found


def read_requirements(text, source):
    found = []
    for number, line in lines(text.replace("\\\n", " ")):
        match = re.fullmatch(
            r"([\w.-]+)==([\w.+!]+)(?:\s+--hash=sha256:([0-9a-f]{64}))?", line)
        if match is None:
            raise ValueError(f"{source}:{number}: wanted NAME==VERSION, not {line!r}; "
                             "pin it")
        name, version, digest = match.groups()
        found.append(Component("pypi", name, version, source, digest))
    return found


def read_debian(text, versions, licence_of, source=DEBIAN):
    """`versions`: what dpkg has."""
    return [Component("deb", name, versions.get(name), source,
                      licence=licence_of(name), installed=versions.get(name))
            for _, name in lines(text)]


def debian_licences(text):
    """The licences that a machine-readable copyright file names."""
    if "copyright-format/1.0" not in text:
        return None
    names = re.findall(r"^License:[ \t]*(\S.*?)\s*$", text, re.MULTILINE)
    return " and ".join(dict.fromkeys(names)) or None


def wheel_licence(metadata):
    message = email.parser.HeaderParser().parsestr(metadata)
    named = message.get("License-Expression") or message.get("License", "")
    if named.strip() and "\n" not in named.strip():
        return named.strip()
    classifiers = [one.split(" :: ")[-1] for one in message.get_all("Classifier", [])
                   if one.startswith("License ::")]
    return " and ".join(classifiers) or None


def bare(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_packages(folder):
    """Version and licence by name of the Python packages in a virtual environment."""
    found = {}
    for path in folder.glob("lib/python3*/site-packages/*.dist-info/METADATA"):
        text = path.read_text(encoding="utf-8", errors="replace")
        message = email.parser.HeaderParser().parsestr(text)
        found[bare(message["Name"])] = (message["Version"], wheel_licence(text))
    return found


def cached_wheel_licence(name, version):
    """Of a wheel that setup.sh has downloaded."""
    cache = pathlib.Path(os.environ.get("RLHF_WHEEL_CACHE") or
                         pathlib.Path.home() / ".cache/rlhf/wheels")
    stem = f"{name.replace('-', '_')}-{version}"
    for path in cache.glob(f"{stem}-*.whl"):
        with zipfile.ZipFile(path) as wheel:
            return wheel_licence(wheel.read(f"{stem}.dist-info/METADATA").decode())
    return None


def dpkg_versions():
    done = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status} ${Package} ${Version}\\n"],
        check=False, capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "installed"}


def copyright_licences(name):
    path = pathlib.Path("/usr/share/doc") / name / "copyright"
    return (debian_licences(path.read_text(encoding="utf-8", errors="replace"))
            if path.is_file() else None)


def collect(root):
    found = read_wheels((root / WHEELS).read_text(encoding="utf-8"))
    for one in found:
        one.licence = cached_wheel_licence(one.name, one.version)
    for source, venv in VENVS.items():
        there = installed_packages(root / venv)
        for one in read_requirements((root / source).read_text(encoding="utf-8"), source):
            one.installed, one.licence = there.get(bare(one.name), (None, None))
            found.append(one)
    return found + read_debian((root / DEBIAN).read_text(encoding="utf-8"),
                               dpkg_versions(), copyright_licences)


def as_cyclonedx(one):
    purl = f"pkg:pypi/{bare(one.name)}" if one.kind == "pypi" else (
        f"pkg:deb/debian/{one.name}")
    if one.version:
        purl += "@" + one.version.replace("+", "%2B").replace(":", "%3A")
    unknown = [field for field, value in
               (("version", one.version), ("hash", one.sha256),
                ("licence", one.licence)) if value is None]
    entry = {"type": "library", "bom-ref": f"{purl}#{one.source}", "name": one.name,
             "purl": purl, "properties": [{"name": "rlhf:source", "value": one.source}]}
    if one.version:
        entry["version"] = one.version
    if one.sha256:
        entry["hashes"] = [{"alg": "SHA-256", "content": one.sha256}]
    if one.licence:
        entry["licenses"] = [{"license": {"name": one.licence}}]
    entry["properties"] += [{"name": "rlhf:unknown", "value": field}
                            for field in unknown]
    return entry


def document(components, version):
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"component": {
                "type": "application", "bom-ref": "rlhf", "name": "rlhf",
                "version": version, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
            "components": [as_cyclonedx(one) for one in components]}


def faults(components, stamps):
    """`stamps`: the lines that setup.sh wrote of the wheels it unpacked."""
    found = []
    pins = {(one.sha256, one.name) for one in components if one.source == WHEELS}
    for one in components:
        if one.kind == "pypi" and one.sha256 is None:
            found.append(f"{one.source}: {one.name} {one.version} has no hash")
        if one.kind == "pypi" and one.installed not in (None, one.version):
            found.append(f"{one.source}: {one.name} is installed in version "
                         f"{one.installed}, pinned is {one.version}: make it again")
    for one in read_wheels("\n".join(stamps), "third_party/.stamps"):
        if (one.sha256, one.name) not in pins:
            found.append(f"third_party: {one.name} {one.version} is unpacked and is not "
                         f"the one of {WHEELS}: run `make setup`")
    return found


def stamped(root):
    found = []
    for name in STAMPS:
        path = root / "third_party/.stamps" / name
        if path.is_file():
            found += [line for line in path.read_text(encoding="utf-8").splitlines()
                      if line.endswith(".whl")]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true",
                        help="say what is not pinned instead")
    check = parser.parse_args().check
    components = collect(ROOT)
    if check:
        found = faults(components, stamped(ROOT))
        print("\n".join(found) or "every download has a hash and is the pinned one")
        return 1 if found else 0
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    version = re.search(r"project\(rlhf VERSION ([\d.]+)", cmake).group(1)
    json.dump(document(components, version), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
