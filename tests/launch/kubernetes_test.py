"""deploy/kubernetes: each overlay renders, is valid, and keeps its promises."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import jsonschema
import kubernetes_validate
import kustomize
import yaml
from manifests import (KUBERNETES, OVERLAYS, ROLES, SOURCE, named, of_kind,
                       rendered, run_file, workloads)

RLHF = pathlib.Path(os.environ.get("RLHF_BINARY", SOURCE / "build/release/bin/rlhf"))
# The oldest that has sidecars without a feature gate, and the newest known.
VERSIONS = ("1.33", kubernetes_validate.latest_version())
CRDS = yaml.safe_load((SOURCE / "tests/launch/crds.yaml").read_text(encoding="utf-8"))


def renderer():
    """A real kustomize's command; None where there is none."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    return None


class RenderingTest(unittest.TestCase):

    @unittest.skipUnless(renderer(), "neither kubectl nor kustomize is here")
    def test_our_renderer_agrees_with_kustomize(self):
        for overlay in OVERLAYS:
            text = subprocess.run(
                [*renderer(), str(KUBERNETES / "overlays" / overlay)],
                check=True, capture_output=True, text=True).stdout
            theirs = {kustomize.key(thing): thing
                      for thing in yaml.safe_load_all(text)}
            ours = {kustomize.key(thing): thing for thing in rendered(overlay)}
            self.assertEqual(ours, theirs, overlay)

    def test_kubernetes_takes_every_object(self):
        for overlay in OVERLAYS:
            for thing in rendered(overlay):
                if thing["kind"] in CRDS:
                    continue
                for version in VERSIONS:
                    with self.subTest(overlay=overlay, object=kustomize.key(thing)):
                        kubernetes_validate.validate(thing, version, strict=True)

    def test_other_kinds_have_no_field_that_we_do_not_know(self):
        for overlay in OVERLAYS:
            for thing in of_kind(overlay, *CRDS):
                with self.subTest(overlay=overlay, object=kustomize.key(thing)):
                    schema = CRDS[thing["kind"]]
                    self.assertEqual(thing["apiVersion"], schema["apiVersion"])
                    jsonschema.validate(thing["spec"], schema["spec"])

    def test_the_jobs_of_the_learner_are_jobs(self):
        for overlay in ("gpu", "postgres"):
            for job in named(overlay, "JobSet", "learner")["spec"]["replicatedJobs"]:
                kubernetes_validate.validate(
                    {"apiVersion": "batch/v1", "kind": "Job",
                     "metadata": {"name": job["name"]}, **job["template"]},
                    VERSIONS[0], strict=True)

    def test_a_wrong_field_would_be_seen(self):
        wrong = {"apiVersion": "v1", "kind": "ConfigMap",
                 "metadata": {"name": "run"}, "date": {}}
        with self.assertRaisesRegex(kubernetes_validate.ValidationError, "date"):
            kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)

    @unittest.skipUnless(RLHF.exists(), f"{RLHF} is not built")
    def test_rlhf_takes_every_run_file(self):
        for overlay in OVERLAYS:
            with tempfile.NamedTemporaryFile("w", suffix=".txtpb") as file:
                file.write(run_file(overlay))
                file.flush()
                result = subprocess.run([RLHF, "config", "check", file.name],
                                        capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, f"{overlay}: {result.stderr}")

    def test_the_demo_is_the_quickstart(self):
        def values(text):
            text = re.sub(r"#.*", "", text)
            text = re.sub(r"(name|runs_dir|threads|initial_policy|prompts): \S+", "", text)
            return text.split()
        quickstart = (SOURCE / "examples/quickstart.txtpb").read_text(encoding="utf-8")
        self.assertEqual(values(run_file("cpu-demo")), values(quickstart))


class PodsTest(unittest.TestCase):

    def each_container(self):
        """(where, pod, container): where is for messages."""
        for overlay, thing, _, pod in workloads():
            for container in kustomize.containers(thing):
                yield (f"{overlay} {thing['metadata']['name']} {container['name']}",
                       pod, container)

    def test_say_what_they_take(self):
        for where, _, container in self.each_container():
            asked = container["resources"]["requests"]
            most = container["resources"]["limits"]
            self.assertIn("cpu", asked, where)
            # Nothing that was not asked for is taken from others.
            self.assertEqual(asked["memory"], most["memory"], where)

    def test_are_asked_whether_they_live_and_apart_from_it_whether_they_serve(self):
        for where, _, container in self.each_container():
            self.assertIn("startupProbe", container, where)
            if container["name"] != "link":
                self.assertNotEqual(
                    container["livenessProbe"].get("exec"),
                    container["readinessProbe"].get("exec", {}), where)

    def test_roles_are_ready_by_the_grpc_health_service(self):
        for overlay in ("gpu", "postgres"):
            for role in ROLES[1:]:
                pod = named(overlay, "Deployment", role)["spec"]["template"]["spec"]
                self.assertEqual(pod["containers"][0]["readinessProbe"]["grpc"],
                                 {"port": 8081})
            ready = named(overlay, "ConfigMap", "learner-ready")["data"]["ready.sh"]
            self.assertIn("/grpc.health.v1.Health/Check", ready)

    def test_can_do_little_harm(self):
        for where, pod, container in self.each_container():
            self.assertEqual(container["securityContext"], {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]}}, where)
            self.assertTrue(pod["securityContext"]["runAsNonRoot"], where)
            self.assertGreater(pod["securityContext"]["runAsUser"], 0)
            self.assertEqual(pod["securityContext"]["seccompProfile"],
                             {"type": "RuntimeDefault"})
            self.assertFalse(pod["automountServiceAccountToken"])

    def test_mount_what_there_is(self):
        for overlay, thing, _, pod in workloads():
            claims = {claim["metadata"]["name"] for claim
                      in thing["spec"].get("volumeClaimTemplates", [])}
            volumes = {volume["name"] for volume in pod["volumes"]} | claims
            mounted = {mount["name"] for container in kustomize.containers(thing)
                       for mount in container["volumeMounts"]}
            self.assertEqual(volumes, mounted, f"{overlay} {kustomize.key(thing)}")
            for volume in pod["volumes"]:
                if "configMap" in volume:
                    self.assertTrue(named(overlay, "ConfigMap",
                                          volume["configMap"]["name"]))
                if "persistentVolumeClaim" in volume:
                    self.assertTrue(named(
                        overlay, "PersistentVolumeClaim",
                        volume["persistentVolumeClaim"]["claimName"]))

    def test_have_time_to_stop(self):
        # Seconds after SIGTERM, as the roles say in their sources.
        seconds = {"actor": 1, "reward-server": 2, "refresher": 1, "feedback": 5}
        for overlay, thing, _, pod in workloads():
            name = thing["metadata"]["name"]
            least = seconds.get(name, 0)
            if name == "learner":
                grace = re.search(r"preemption_grace_seconds: (\d+)", run_file(overlay))
                least = float(grace[1])
            if name == "loop":  # as kStopGrace of `rlhf up`
                least = 60
            for container in pod["containers"]:
                stop = container.get("lifecycle", {}).get("preStop", {})
                least += stop.get("sleep", {}).get("seconds", 0)
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"],
                                    least + 10, f"{overlay} {name}")

    def test_drain_before_they_stop(self):
        for overlay in ("gpu", "postgres"):
            for role in ROLES[1:]:
                pod = named(overlay, "Deployment", role)["spec"]["template"]["spec"]
                self.assertIn("preStop", pod["containers"][0]["lifecycle"])


if __name__ == "__main__":
    unittest.main()
