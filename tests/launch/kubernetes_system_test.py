"""deploy/kubernetes as a whole: what the objects of an overlay say of one another."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import kustomize
import yaml
from manifests import (COMPONENT, KUBERNETES, OVERLAYS, ROLES, SOURCE, named,
                       of_kind, pod_labels, rendered, run_file, schema_default,
                       selects, workloads)


class LearnerTest(unittest.TestCase):

    def setUp(self):
        self.learners = [(overlay, named(overlay, "JobSet", "learner"))
                         for overlay in ("gpu", "postgres")]

    def test_has_as_many_ranks_everywhere(self):
        for overlay, learner in self.learners:
            job = learner["spec"]["replicatedJobs"][0]["template"]["spec"]
            env = {entry["name"]: entry.get("value") for entry
                   in job["template"]["spec"]["containers"][0]["env"]}
            budget = named(overlay, "PodDisruptionBudget", "learner")
            self.assertEqual(job["completions"], job["parallelism"])
            self.assertEqual(env["WORLD_SIZE"], str(job["completions"]))
            self.assertEqual(budget["spec"]["minAvailable"], job["completions"])

    def test_ranks_meet_at_rank_0(self):
        for _, learner in self.learners:
            name = learner["metadata"]["name"]
            job = learner["spec"]["replicatedJobs"][0]
            env = {entry["name"]: entry for entry in
                   job["template"]["spec"]["template"]["spec"]["containers"][0]["env"]}
            self.assertEqual(env["MASTER_ADDR"]["value"],
                             f"{name}-{job['name']}-0-0.{name}")
            self.assertIn("job-completion-index",
                          env["RANK"]["valueFrom"]["fieldRef"]["fieldPath"])

    def test_the_callers_mistake_is_not_tried_again(self):
        code = re.search(r"kCallersMistake = (\d+)",
                         (SOURCE / "core/launch/exit_codes.h").read_text(encoding="utf-8"))[1]
        for _, learner in self.learners:
            job = learner["spec"]["replicatedJobs"][0]["template"]["spec"]
            rule = job["podFailurePolicy"]["rules"][0]
            self.assertEqual(rule["action"], "FailJob")
            self.assertEqual(rule["onExitCodes"]["values"], [int(code)])
            self.assertEqual(learner["spec"]["failurePolicy"]["rules"][0]["action"],
                             "FailJobSet")

    def test_a_run_that_was_asked_to_stop_is_started_again(self):
        code = int(re.search(r"kStoppedEarly = (\d+)",
                             (SOURCE / "core/launch/exit_codes.h").read_text(encoding="utf-8"))[1])
        self.assertNotEqual(code, 0)
        jobs = [learner["spec"]["replicatedJobs"][0]["template"]["spec"]
                for _, learner in self.learners]
        jobs.append(named("cpu-demo", "Job", "loop")["spec"])
        for job in jobs:
            for rule in job["podFailurePolicy"]["rules"]:
                self.assertNotIn(code, rule.get("onExitCodes", {}).get("values", []))


class SystemTest(unittest.TestCase):

    def test_the_store_has_one_writer_and_its_own_disk(self):
        for overlay in ("gpu", "postgres"):
            for name in ("feedback", "refresher"):
                spec = named(overlay, "Deployment", name)["spec"]
                self.assertEqual((spec["replicas"], spec["strategy"]),
                                 (1, {"type": "Recreate"}))
            text = run_file(overlay)
            run = (re.search(r'runs_dir: "(.*)"', text)[1],
                   re.search(r'^name: "(.*)"', text, re.M)[1])
            pod = named(overlay, "Deployment", "feedback")["spec"]["template"]["spec"]
            mounts = {mount["name"]: mount["mountPath"]
                      for mount in pod["containers"][0]["volumeMounts"]}
            self.assertEqual(mounts["store"], "/".join((*run, "feedback")))

    def test_a_volume_of_one_name_is_the_same_everywhere(self):
        # One overlay may follow another in the namespace; a claim cannot change.
        claims = {}
        for overlay in OVERLAYS:
            for claim in of_kind(overlay, "PersistentVolumeClaim"):
                name = claim["metadata"]["name"]
                self.assertEqual(claims.setdefault(name, claim), claim, name)

    def test_budgets_are_of_pods_that_exist(self):
        for overlay in OVERLAYS:
            pods = [pod_labels(thing) for thing in rendered(overlay)
                    if kustomize.pod_specs(thing)]
            for budget in of_kind(overlay, "PodDisruptionBudget"):
                self.assertTrue(any(selects(budget["spec"]["selector"], labels)
                                    for labels in pods))

    def test_actors_scale_by_metrics_that_exist(self):
        documented = (SOURCE / "docs/metrics.md").read_text(encoding="utf-8")
        scaled = named("gpu", "ScaledObject", "actor")
        query = scaled["spec"]["triggers"][0]["metadata"]["query"]
        names = re.findall(r"rlhf_\w+", re.sub(r'"[^"]*"', "", query))
        self.assertTrue(names)
        for name in names:
            self.assertRegex(documented, rf"`{name}[`{{]")
        for value in re.search(r'queue=~"([^"]*)"', query)[1].split("|"):
            self.assertIn(value, documented)
        threshold = int(scaled["spec"]["triggers"][0]["metadata"]["threshold"])
        self.assertLess(threshold, int(schema_default("ActorConfig", "max_batch")))
        self.assertNotIn("replicas", named("gpu", "Deployment", "actor")["spec"])

    def test_prometheus_finds_every_role(self):
        for overlay in ("gpu", "postgres"):
            monitor = named(overlay, "ServiceMonitor", "rlhf")
            port = monitor["spec"]["endpoints"][0]["port"]
            seen = {service["metadata"]["labels"][COMPONENT]
                    for service in of_kind(overlay, "Service")
                    if selects(monitor["spec"]["selector"],
                               service["metadata"].get("labels", {}))
                    and port in [entry["name"] for entry in service["spec"]["ports"]]}
            self.assertEqual(seen, set(ROLES))

    def test_series_have_the_labels_that_alerts_and_dashboards_ask_for(self):
        for overlay in ("gpu", "postgres"):
            spec = named(overlay, "ServiceMonitor", "rlhf")["spec"]
            self.assertNotIn("jobLabel", spec)
            made = {rule["targetLabel"]: rule
                    for rule in spec["endpoints"][0]["relabelings"]}
            # As the service discovery of Kubernetes spells the label.
            label = "__meta_kubernetes_service_label_" + re.sub(r"\W", "_", COMPONENT)
            self.assertEqual(made["role"]["sourceLabels"], [label])
            run = re.search(r'^name: "(.*)"', run_file(overlay), re.M)[1]
            self.assertEqual(made["job"]["replacement"], f"rlhf-{run}")

    def test_the_alerts_are_those_of_deploy_prometheus(self):
        alerts = yaml.safe_load((SOURCE / "deploy/prometheus/alerts.yml").read_text(
            encoding="utf-8"))
        for overlay in ("gpu", "postgres"):
            self.assertEqual(named(overlay, "PrometheusRule", "rlhf")["spec"], alerts,
                             "run tools/make_prometheus_rule.py")

    def test_no_secret_is_written_down(self):
        for overlay in OVERLAYS:
            self.assertFalse(of_kind(overlay, "Secret"))
            self.assertNotRegex(yaml.safe_dump(rendered(overlay)), "BEGIN [A-Z ]*(KEY|CERT)")
            for thing in rendered(overlay):
                for container in kustomize.containers(thing):
                    for entry in container.get("env", []):
                        if re.search("PASSWORD|TOKEN|SECRET|KEY", entry["name"]):
                            self.assertTrue("valueFrom" in entry
                                            or entry["name"].endswith("_FILE"))

    def test_nothing_is_left_to_fill_in(self):
        for overlay in OVERLAYS:
            # Alerts have templates of Prometheus' own.
            text = yaml.safe_dump([thing for thing in rendered(overlay)
                                   if thing["kind"] != "PrometheusRule"])
            self.assertNotRegex(text, r"TODO|FIXME|CHANGE.?ME|<[A-Za-z-]+>|\{\{|example\.(org|com)")

    def test_what_openssl_finds_wrong_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("ca.key", "ca.crt"):
                (pathlib.Path(folder) / name).write_text("broken", encoding="utf-8")
            done = subprocess.run([KUBERNETES / "make-secrets.sh", folder],
                                  capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "(?s)link-learner: .*CA certificate")

    def test_secrets_that_are_named_are_made(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([KUBERNETES / "make-secrets.sh", folder], check=True,
                           capture_output=True)
            made = {thing["metadata"]["name"]: thing["data"]
                    for thing in kustomize.render(folder)}
        wanted = set()
        for _, thing, _, pod in workloads():
            wanted |= {volume["secret"]["secretName"] for volume in pod["volumes"]
                       if "secret" in volume}
        self.assertEqual(wanted, set(made))
        self.assertRegex(made["postgres-password"]["password"], "^[0-9a-f]{48}$")


if __name__ == "__main__":
    unittest.main()
