"""Validates objects against Kubernetes' own OpenAPI schemas, unknown fields refused.

In: a JSON list of objects on stdin, versions of Kubernetes as arguments. Out: a JSON list with a line
for each object that a version refuses.
"""

import functools
import json
import sys

from kubernetes_validate import ValidationError, utils
from kubernetes_validate.utils import SchemaNotFoundError

# The definitions of a version are some megabytes; without a cache each object reads them again.
utils.schema_contents = functools.lru_cache(None)(utils.schema_contents)


def refusals(objects, version):
    for found in objects:
        name = f"{version}: {found.get('kind')} {found.get('metadata', {}).get('name')}"
        try:
            used = utils.validate(found, version, strict=True)
            if used != version:
                yield f"{name}: checked against {used}, there is no schema of {version}"
        except ValidationError as error:
            path = ".".join(str(part) for part in error.path)
            yield f"{name}: {path}: {error.message}"
        except SchemaNotFoundError as error:
            yield f"{name}: {error.message}"


if __name__ == "__main__":
    objects = json.load(sys.stdin)
    json.dump([line for version in sys.argv[1:] for line in refusals(objects, version)], sys.stdout)
