#!/usr/bin/env python3
"""The packages: they run where they are unpacked, and in a bare Debian.

Exits 77 (CTest: skipped) where the program is not built.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from tiny_loop import write_tiny_loop

BUILD = pathlib.Path(os.environ.get("RLHF_BUILD_DIR", "build/release")).resolve()
LIBRARIES = ("libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13",
             "libcupti.so.13")
# The bare Debian comes over the network, which tests use only where they are told to.
MIRROR = os.environ.get("RLHF_DEBIAN_MIRROR", "")


def run(*command, **options):
    """The command's standard output; its error is in the failure."""
    result = subprocess.run(command, capture_output=True, text=True, check=False,
                            **options)
    if result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}:\n"
                             f"{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result.stdout


def pack(generator, folder):
    """Makes the package and returns its path."""
    run("cpack", "--config", str(BUILD / "CPackConfig.cmake"), "-G", generator,
        "-B", str(folder))
    pattern = "rlhf_*.deb" if generator == "DEB" else "rlhf-*.tar.gz"
    (path,) = folder.glob(pattern)
    return path


class PackageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.deb = pack("DEB", cls.folder / "deb")
        cls.root = cls.folder / "unpacked"
        run("dpkg-deb", "--extract", str(cls.deb), str(cls.root))

    def check_runs_at(self, prefix):
        """The program below `prefix` takes LibTorch from there, and works."""
        environment = {name: value for name, value in os.environ.items()
                       if name != "LD_LIBRARY_PATH"}
        places = run("ldd", str(prefix / "bin/rlhf"), env=environment)
        for name in LIBRARIES:
            found = re.search(rf"{re.escape(name)} => (.+) \(0x", places)[1]
            self.assertEqual(pathlib.Path(found).resolve(),
                             (prefix / "lib/rlhf" / name).resolve())
        self.assertIn("LibTorch", run(str(prefix / "bin/rlhf"), "version",
                                      env=environment))

    def test_the_deb_says_what_it_needs(self):
        depends = run("dpkg-deb", "--field", str(self.deb), "Depends")
        for package in ("libc6", "libgrpc++1.51", "libprotobuf32", "libsqlite3-0",
                        "libpq5", "libmicrohttpd12"):
            self.assertIn(package, depends)
        self.assertNotIn("torch", depends)

    def test_the_deb_holds_what_people_need(self):
        for path in ("usr/bin/rlhf", "usr/lib/systemd/system/rlhf@.service",
                     "usr/share/rlhf/examples/quickstart.txtpb",
                     "usr/share/rlhf/deploy/kubernetes/base/kustomization.yaml",
                     "usr/share/doc/rlhf/copyright",
                     "usr/share/doc/rlhf/docs/packages.md"):
            self.assertTrue((self.root / path).is_file(), path)

    def test_the_program_knows_nothing_of_where_it_was_built(self):
        dynamic = run("readelf", "--dynamic", str(self.root / "usr/bin/rlhf"))
        self.assertIn("[$ORIGIN/../lib/rlhf]", dynamic)
        self.assertNotIn("third_party", dynamic)

    def test_the_deb_runs_where_it_is_unpacked(self):
        self.check_runs_at(self.root / "usr")

    def test_the_tarball_runs_wherever_it_is_put(self):
        tarball = pack("TGZ", self.folder / "tgz")
        place = self.folder / "some where"
        place.mkdir()
        run("tar", "--extract", "--file", str(tarball), "--directory", str(place))
        (prefix,) = place.iterdir()
        self.check_runs_at(prefix)

    @unittest.skipUnless(MIRROR, "`make package-test` sets RLHF_DEBIAN_MIRROR")
    @unittest.skipUnless(os.geteuid() == 0, "a bare root wants root")
    @unittest.skipUnless(shutil.which("debootstrap"), "debootstrap is not here")
    def test_the_deb_runs_the_loop_in_a_bare_debian(self):
        root = self.folder / "debian"
        run("debootstrap", "--variant=minbase", "bookworm", str(root), MIRROR)
        shutil.copy(self.deb, root / "rlhf.deb")
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        run("chroot", str(root), "apt-get", "install", "--yes",
            "--no-install-recommends", "/rlhf.deb",
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        write_tiny_loop(root / "loop", seen_as="/loop")
        # A network of its own: no port of this machine is in its way.
        said = run("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child",
                   "sh", "-ec",
                   'ip link set lo up; mount -t proc proc "$1/proc"; '
                   'mount -t tmpfs tmpfs "$1/dev/shm"; '
                   'exec chroot "$1" rlhf up /loop/run.txtpb --plain',
                   "sh", str(root), timeout=900)
        self.assertIn("2 updates", said)
        self.assertTrue((root / "loop/runs/tiny/report.json").exists())


if __name__ == "__main__":
    if not (BUILD / "bin/rlhf").exists() or not (BUILD / "CPackConfig.cmake").exists():
        print(f"SKIPPED: there is no program in {BUILD}; `make build` makes it")
        sys.exit(77)
    unittest.main()
