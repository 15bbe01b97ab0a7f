"""Renders the overlays of deploy/kubernetes as `kubectl kustomize` does.

Debian has no kustomize that knows components, so this one is small enough to be
kept here. It does what the overlays use and refuses everything else. Where
`kubectl` or `kustomize` is installed, kubernetes_test.py compares the two.
"""

import copy
import pathlib

import yaml

KNOWN = {"apiVersion", "kind", "namespace", "resources", "components",
         "generatorOptions", "configMapGenerator", "secretGenerator", "patches",
         "images"}
CLUSTER_WIDE = {"Namespace"}


def render(folder):
    """The objects of a kustomization, in no particular order."""
    return Layer(pathlib.Path(folder), []).objects


def key(thing):
    return thing["kind"], thing["metadata"]["name"]


class Layer:
    """A kustomization applied on top of `objects`."""

    def __init__(self, folder, objects):
        self.folder = folder
        self.objects = objects
        text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
        self.spec = yaml.safe_load(text)
        unknown = set(self.spec) - KNOWN
        if unknown:
            raise ValueError(f"{folder}: not known here: {sorted(unknown)}")
        for name in self.spec.get("resources", []):
            self.add_resource(name)
        for kind, field in (("ConfigMap", "configMapGenerator"),
                            ("Secret", "secretGenerator")):
            for entry in self.spec.get(field, []):
                self.generate(kind, entry)
        for name in self.spec.get("components", []):
            self.objects = Layer(folder / name, self.objects).objects
        for patch in self.spec.get("patches", []):
            self.patch(patch)
        self.transform()

    def add_resource(self, name):
        path = self.folder / name
        if path.is_dir():
            new = Layer(path, []).objects
        else:
            text = path.read_text(encoding="utf-8")
            new = [thing for thing in yaml.safe_load_all(text) if thing]
        present = {key(thing) for thing in self.objects}
        for thing in new:
            if key(thing) in present:
                raise ValueError(f"{path}: {key(thing)} is there already")
        self.objects += new

    def generate(self, kind, entry):
        if not self.spec.get("generatorOptions", {}).get("disableNameSuffixHash"):
            raise ValueError(f"{self.folder}: names with hashes")
        unknown = set(entry) - {"name", "behavior", "files"}
        if unknown:
            raise ValueError(f"{self.folder}: not known here: {sorted(unknown)}")
        data = {}
        for item in entry["files"]:
            name, _, path = item.rpartition("=")
            path = self.folder / path
            data[name or path.name] = path.read_text(encoding="utf-8")
        made = {"apiVersion": "v1", "kind": kind,
                "metadata": {"name": entry["name"]}, "data": data}
        replaces = entry.get("behavior") == "replace"
        if replaces != (key(made) in {key(thing) for thing in self.objects}):
            raise ValueError(f"{self.folder}: behavior of {entry['name']}")
        self.objects = [thing for thing in self.objects
                        if key(thing) != key(made)] + [made]

    def patch(self, patch):
        text = (self.folder / patch["path"]).read_text(encoding="utf-8")
        target = patch["target"]
        hit = [thing for thing in self.objects
               if thing["kind"] == target["kind"]
               and target.get("name") in (None, thing["metadata"]["name"])]
        if not hit:
            raise ValueError(f"{self.folder}: {patch['path']} hits nothing")
        for thing in hit:
            for step in yaml.safe_load(text):
                apply(thing, copy.deepcopy(step))

    def transform(self):
        images = {image["name"]: image for image in self.spec.get("images", [])}
        for thing in self.objects:
            namespace = self.spec.get("namespace")
            if namespace and thing["kind"] not in CLUSTER_WIDE:
                thing["metadata"]["namespace"] = namespace
            for container in containers(thing):
                image = images.get(container["image"].split(":")[0])
                if image:
                    container["image"] = (
                        f"{image.get('newName', image['name'])}:{image['newTag']}")


def apply(document, step):
    """One step of a JSON patch (RFC 6902)."""
    *way, last = [part.replace("~1", "/").replace("~0", "~")
                  for part in step["path"].split("/")[1:]]
    for part in way:
        document = document[int(part) if isinstance(document, list) else part]
    if isinstance(document, list) and last != "-":
        last = int(last)
    if step["op"] == "add" and isinstance(document, list):
        document.insert(len(document) if last == "-" else last, step["value"])
    elif step["op"] == "add":
        document[last] = step["value"]
    elif step["op"] == "replace":
        document[last]  # must be there
        document[last] = step["value"]
    elif step["op"] == "remove":
        del document[last]
    elif step["op"] != "test" or document[last] != step["value"]:
        raise ValueError(f"patch: {step} does not hold")


def pod_specs(thing):
    """The specifications of the pods that an object makes."""
    if thing["kind"] == "JobSet":
        return [job["template"]["spec"]["template"]["spec"]
                for job in thing["spec"]["replicatedJobs"]]
    if thing["kind"] in ("Deployment", "StatefulSet", "Job"):
        return [thing["spec"]["template"]["spec"]]
    return []


def containers(thing):
    return [container for pod in pod_specs(thing)
            for container in pod.get("initContainers", []) + pod["containers"]]
