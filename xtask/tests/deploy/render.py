"""Builds a kustomization, as far as those in deploy/ go, and prints its objects as a JSON list.

In: a directory. Out: the objects, in the order of the kustomization. Supports `resources`,
`components`, and `patches` by strategic merge, and refuses every other field. Where kustomize is
installed, a test compares the two.
"""

import json
import pathlib
import sys

import yaml

FIELDS = {"apiVersion", "kind", "resources", "components", "patches"}
# The key that identifies an entry of a list (the patchMergeKey of Kubernetes' types). Other lists are
# replaced as a whole.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}


def build(directory):
    file = directory / "kustomization.yaml"
    kustomization = yaml.safe_load(file.read_text())
    unknown = set(kustomization) - FIELDS
    if unknown:
        sys.exit(f"{file}: this renderer does not support {sorted(unknown)}")
    objects = []
    for name in kustomization.get("resources", []):
        objects += build(directory / name) if (directory / name).is_dir() else load(directory / name)
    add(directory, kustomization, objects)
    return objects


def add(directory, kustomization, objects):
    """Applies components, then patches."""
    for name in kustomization.get("components", []):
        component = directory / name
        its = yaml.safe_load((component / "kustomization.yaml").read_text())
        if set(its) - FIELDS or its["kind"] != "Component":
            sys.exit(f"{component} is not a component that this renderer supports")
        for resource in its.get("resources", []):
            objects += load(component / resource)
        add(component, its, objects)
    for entry in kustomization.get("patches", []):
        if set(entry) - {"path", "target"}:
            sys.exit(f"{directory}: this renderer does not support the patch {entry}")
        (patch,) = load(directory / entry["path"])
        apply(patch, entry.get("target"), objects)


def apply(patch, target, objects):
    if target is None:
        metadata = patch["metadata"]
        target = {"kind": patch["kind"], "name": metadata["name"], "namespace": metadata["namespace"]}
    if set(target) - {"kind", "name", "namespace"}:
        sys.exit(f"this renderer does not support the target {target}")
    matching = [found for found in objects if matches(found, target)]
    if not matching:
        sys.exit(f"no object for the patch of {target}")
    for found in matching:
        for field in set(patch) - {"apiVersion", "kind", "metadata"}:
            found[field] = merge(found.get(field), patch[field])


def matches(found, target):
    metadata = found["metadata"]
    of = {"kind": found["kind"], "name": metadata["name"], "namespace": metadata.get("namespace")}
    return all(of[key] == value for key, value in target.items())


def merge(old, new, key=None):
    if isinstance(new, dict) and isinstance(old, dict):
        merged = dict(old)
        for name, value in new.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = merge(old.get(name), value, MERGE_KEYS.get(name))
        return merged
    if isinstance(new, list) and isinstance(old, list) and key is not None:
        # The patch's entries come first, as kustomize has it.
        changed = {entry[key] for entry in new}
        before = {entry[key]: entry for entry in old}
        merged = [merge(before.get(entry[key]), entry) for entry in new]
        return merged + [entry for entry in old if entry[key] not in changed]
    return new


def load(file):
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


if __name__ == "__main__":
    if sys.argv[1] == "-":
        json.dump([document for document in yaml.safe_load_all(sys.stdin) if document], sys.stdout)
    else:
        json.dump(build(pathlib.Path(sys.argv[1])), sys.stdout)
