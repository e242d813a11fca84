"""Writes down what a container image is made of, as SPDX 2.3 in JSON: its Debian packages, the Swift packages and the
Swift runtime that are linked into the executable, the executable with its checksum, and the image that it is based on.

usage: sbom.py ROOT --image NAME --version VERSION --base IMAGE

ROOT is the image's file system. Everything is read from there: what dpkg has noted, and the two files that the
Dockerfile puts beside the executable. SOURCE_DATE_EPOCH, where it is set, is the time of creation.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import sys
import urllib.parse
import uuid

EXECUTABLE = "usr/local/bin/chargefold"
LINKED = pathlib.PurePath("usr/local/share/chargefold")
UNKNOWN = "NOASSERTION"


def package(kind, name, version, url=None, purl=None, **more):
    """A package of the document. Its id is made of its name, in the letters that SPDX allows (clause 7.2)."""
    entry = {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{kind}-{name}"),
        "name": name,
        "versionInfo": version,
        "downloadLocation": url or UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
        **more,
    }
    if purl:
        entry["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        ]
    return entry


def quoted(text):
    return urllib.parse.quote(text, safe="")


def debian_packages(root):
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', (root / "etc/os-release").read_text(), re.MULTILINE))
    for paragraph in (root / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        # "Source: openssl (3.0.1)": the version only where it differs.
        source, _, source_version = fields.get("Source", name).partition(" ")
        yield package(
            "Debian", name, version,
            purl=f"pkg:deb/{release['ID']}/{quoted(name)}@{quoted(version)}"
            f"?arch={architecture}&distro={release['ID']}-{release['VERSION_ID']}",
            supplier="Organization: Debian",
            sourceInfo=f"built from {source} {source_version.strip('()') or version}",
        )


def swift_packages(root):
    for pin in json.loads((root / LINKED / "Package.resolved").read_text())["pins"]:
        state, location = pin["state"], pin["location"].removesuffix(".git")
        version = state.get("version", state["revision"])
        yield package(
            "Swift", pin["identity"], version,
            url=f"git+{location}@{state['revision']}",
            purl=f"pkg:swift/{location.partition('://')[2]}@{quoted(version)}",
        )


def swift_runtime(root):
    line = (root / LINKED / "toolchain").read_text().strip()
    found = re.search(r"Swift version (\S+) \((\S+)\)", line)
    if not found:
        sys.exit(f"the toolchain's line is not understood: {line}")
    version, tag = found.groups()
    return package("Swift", "swift-runtime", version, purl=f"pkg:github/swiftlang/swift@{quoted(tag)}")


def base_image(reference):
    name, _, digest = reference.partition("@")
    repository = re.sub(r":[^:/]*$", "", name)
    purl = f"pkg:oci/{repository.rpartition('/')[2]}@{quoted(digest)}?repository_url={repository}" if digest else None
    return package("Base", repository, digest or name[len(repository) + 1 :] or "latest", purl=purl, primaryPackagePurpose="CONTAINER")


parser = argparse.ArgumentParser()
parser.add_argument("root", type=pathlib.Path)
parser.add_argument("--image", required=True)
parser.add_argument("--version", required=True)
parser.add_argument("--base", required=True)
options = parser.parse_args()

image = package("Image", options.image, options.version, primaryPackagePurpose="CONTAINER")
checksum = hashlib.sha256((options.root / EXECUTABLE).read_bytes()).hexdigest()
executable = package(
    "Application", "chargefold", options.version, primaryPackagePurpose="APPLICATION",
    checksums=[{"algorithm": "SHA256", "checksumValue": checksum}],
)
base = base_image(options.base)
debian = list(debian_packages(options.root))
linked = [*swift_packages(options.root), swift_runtime(options.root)]

relations = [("SPDXRef-DOCUMENT", "DESCRIBES", image), (image["SPDXID"], "DESCENDANT_OF", base)]
relations += [(image["SPDXID"], "CONTAINS", each) for each in [executable, *debian]]
relations += [(executable["SPDXID"], "STATIC_LINK", each) for each in linked]
seconds = int(os.environ.get("SOURCE_DATE_EPOCH", datetime.datetime.now().timestamp()))
document = {
    "spdxVersion": "SPDX-2.3",
    "dataLicense": "CC0-1.0",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": f"{options.image} {options.version}",
    # Has to be unique to the document, and need not lead anywhere (clause 6.5).
    "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{options.version} {checksum} {seconds}')}",
    "creationInfo": {
        "created": datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creators": ["Tool: chargefold-scripts-lib-sbom.py"],
    },
    "packages": [image, base, executable, *debian, *linked],
    "relationships": [
        {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other["SPDXID"]}
        for one, kind, other in relations
    ],
}
json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
print()
