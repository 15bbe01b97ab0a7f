"""What the tests of deploy/kubernetes have in common."""

import functools
import pathlib
import re

import kustomize

SOURCE = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = SOURCE / "deploy/kubernetes"
LINK = KUBERNETES / "base/link"
OVERLAYS = ("cpu-demo", "gpu", "postgres")
ROLES = ("learner", "actor", "reward-server", "refresher", "feedback")
COMPONENT = "app.kubernetes.io/component"

# Of the roles' messages in config.proto.
MESSAGES = {"learner": "LearnerConfig", "actor": "ActorConfig",
            "reward-server": "RewardServerConfig",
            "refresher": "PreferenceConfig", "feedback": "FeedbackConfig"}


@functools.cache
def rendered(overlay):
    return kustomize.render(KUBERNETES / "overlays" / overlay)


def of_kind(overlay, *kinds):
    return [thing for thing in rendered(overlay) if thing["kind"] in kinds]


def named(overlay, kind, name):
    """The object of that kind and name; None if there is none."""
    for thing in of_kind(overlay, kind):
        if thing["metadata"]["name"] == name:
            return thing
    return None


def workloads():
    """(overlay, object, pod labels, pod spec) of all that makes pods."""
    for overlay in OVERLAYS:
        for thing in rendered(overlay):
            for pod in kustomize.pod_specs(thing):
                yield overlay, thing, pod_labels(thing), pod


def pod_labels(thing):
    spec = thing["spec"]
    if thing["kind"] == "JobSet":
        spec = spec["replicatedJobs"][0]["template"]["spec"]
    labels = dict(spec["template"]["metadata"]["labels"])
    if thing["kind"] == "JobSet":  # as the Job controller labels rank 0
        labels["batch.kubernetes.io/job-completion-index"] = "0"
    return labels


def selects(selector, labels):
    """Whether a label selector, as policies and budgets have it, hits `labels`."""
    return (all(labels.get(name) == value for name, value
                in selector.get("matchLabels", {}).items())
            and all(labels.get(rule["key"]) in rule["values"]
                    for rule in selector.get("matchExpressions", [])))


def run_file(overlay):
    return named(overlay, "ConfigMap", "run")["data"]["run.txtpb"]


def schema_default(message, field):
    """The default of a field in config.proto."""
    text = (SOURCE / "proto/rlhf/v1/config.proto").read_text(encoding="utf-8")
    body = re.search(rf"^message {message} {{\n(.*?)^}}", text, re.M | re.S)[1]
    return re.search(rf" {field} = \d+ \[default = \"?([^\",\]]*)", body)[1]


def grpc_port(role):
    return int(schema_default(MESSAGES[role], "address").rsplit(":", 1)[1])


def metrics_port(role):
    if role == "feedback":
        return int(schema_default("FeedbackConfig", "http_address").rsplit(":", 1)[1])
    return int(schema_default(MESSAGES[role], "metrics_port"))
