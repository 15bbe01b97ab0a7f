"""What the bill of materials reads, says and finds wrong."""

import pathlib
import tempfile
import unittest
import zipfile
from unittest import mock

import sbom

HASH = "ab" * 32
WHEEL = f"{HASH}  nvidia_cuda_cupti-13.5.25-py3-none-manylinux_2_25_x86_64.whl"


class ReadTest(unittest.TestCase):

    def test_a_wheel_has_name_version_and_hash(self):
        one, = sbom.read_wheels(f"# A word\n{WHEEL}\n")
        self.assertEqual((one.name, one.version, one.sha256),
                         ("nvidia-cuda-cupti", "13.5.25", HASH))

    def test_a_wheel_without_a_hash_is_named_by_its_line(self):
        with self.assertRaisesRegex(ValueError, "wheels.txt:2: wanted SHA-256"):
            sbom.read_wheels("# A word\ntorch-2.15.0-cp311-cp311-linux.whl\n")

    def test_a_requirement_may_have_a_hash(self):
        text = f"numpy==2.4.6\ntqdm==4.70.1 \\\n  --hash=sha256:{HASH}\n"
        one, other = sbom.read_requirements(text, "r.txt")
        self.assertIsNone(one.sha256)
        self.assertEqual((other.version, other.sha256), ("4.70.1", HASH))

    def test_a_requirement_without_a_version_is_refused(self):
        for text in ("numpy", "numpy>=2", "numpy==2.*"):
            with self.assertRaisesRegex(ValueError, "r.txt:1: wanted NAME==VERSION"):
                sbom.read_requirements(text, "r.txt")

    def test_debian_licences_are_those_of_the_copyright_file(self):
        text = ("Format: https://www.debian.org/doc/packaging-manuals/"
                "copyright-format/1.0/\nFiles: *\nLicense: MIT\n\nFiles: debian/*\n"
                "License: GPL-2+\n\nLicense: MIT\n The text.\n")
        self.assertEqual(sbom.debian_licences(text), "MIT and GPL-2+")
        self.assertIsNone(sbom.debian_licences("It is free.\nLicense: MIT\n"))

    def test_a_wheels_licence_is_the_expression_the_field_or_the_classifier(self):
        classifier = "Classifier: License :: OSI Approved :: MIT License\n"
        for text, wanted in (
                ("License-Expression: BSD-3-Clause\n" + classifier, "BSD-3-Clause"),
                ("License: Apache-2.0\n", "Apache-2.0"),
                (classifier, "MIT License"), ("Name: a\n", None)):
            self.assertEqual(sbom.wheel_licence(text), wanted)

    def test_installed_packages_are_found_by_any_spelling(self):
        with tempfile.TemporaryDirectory() as folder:
            info = pathlib.Path(folder) / "lib/python3.11/site-packages/A.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text("Name: Some_Thing\nVersion: 1.2\n")
            self.assertEqual(sbom.installed_packages(pathlib.Path(folder)),
                             {"some-thing": ("1.2", None)})

    def test_a_downloaded_wheel_tells_its_licence(self):
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(f"{folder}/a_b-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr("a_b-1.0.dist-info/METADATA", "License: MIT\n")
            with mock.patch.dict("os.environ", RLHF_WHEEL_CACHE=folder):
                self.assertEqual(sbom.cached_wheel_licence("a-b", "1.0"), "MIT")
                self.assertIsNone(sbom.cached_wheel_licence("a-b", "2.0"))


class DocumentTest(unittest.TestCase):

    def test_what_is_not_known_is_said_to_be_unknown(self):
        one, = sbom.read_debian("# Word\ncurl\n", {}, lambda name: None)
        entry = sbom.as_cyclonedx(one)
        for field in ("version", "hashes", "licenses"):
            self.assertNotIn(field, entry)
        self.assertEqual([p["value"] for p in entry["properties"][1:]],
                         ["version", "hash", "licence"])

    def test_what_is_known_is_there(self):
        one, = sbom.read_debian("curl\n", {"curl": "1:7.88+b1"}, lambda name: "MIT")
        entry = sbom.as_cyclonedx(one)
        self.assertEqual(entry["purl"], "pkg:deb/debian/curl@1%3A7.88%2Bb1")
        self.assertEqual(entry["licenses"], [{"license": {"name": "MIT"}}])

    def test_the_project_has_all_that_its_files_pin(self):
        components = sbom.collect(sbom.ROOT)
        text = sbom.document(components, "0.1.0")
        self.assertEqual((text["bomFormat"], text["specVersion"]), ("CycloneDX", "1.5"))
        names = {one["name"] for one in text["components"]}
        self.assertLessEqual({"torch", "libsqlite3-dev", "playwright"}, names)
        refs = [one["bom-ref"] for one in text["components"]]
        self.assertEqual(len(refs), len(set(refs)))

    def test_every_list_of_requirements_is_read(self):
        there = {path.relative_to(sbom.ROOT).as_posix() for folder in ("tools", "bench")
                 for path in (sbom.ROOT / folder).rglob("requirements*.txt")}
        self.assertEqual(there, set(sbom.VENVS))


class FaultsTest(unittest.TestCase):

    def test_pinned_and_installed_as_pinned_is_none(self):
        self.assertEqual(sbom.faults(sbom.read_wheels(WHEEL), [WHEEL]), [])

    def test_a_download_without_a_hash_is_one(self):
        found = sbom.faults(sbom.read_requirements("numpy==2.4.6", "r.txt"), [])
        self.assertEqual(found, ["r.txt: numpy 2.4.6 has no hash"])

    def test_another_version_than_the_pinned_one_is_one(self):
        one, = sbom.read_requirements(f"a==1 --hash=sha256:{HASH}", "r.txt")
        one.installed = "2"
        self.assertRegex(sbom.faults([one], [])[0], "installed in version 2, pinned is 1")

    def test_another_wheel_than_the_pinned_one_is_one(self):
        other = WHEEL.replace("ab", "cd", 32)
        self.assertRegex(sbom.faults(sbom.read_wheels(WHEEL), [other])[0],
                         "third_party: nvidia-cuda-cupti 13.5.25 is unpacked")


class ProjectTest(unittest.TestCase):

    def test_what_setup_unpacks_has_hashes_and_all_in_use_is_what_is_pinned(self):
        found = sbom.faults(sbom.collect(sbom.ROOT), sbom.stamped(sbom.ROOT))
        # pip's packages are pinned by version alone, which docs/packages.md says.
        self.assertEqual([one for one in found if not one.endswith("has no hash")], [])
        self.assertEqual([one for one in found if one.startswith(sbom.WHEELS)], [])


if __name__ == "__main__":
    unittest.main()
