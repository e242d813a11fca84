"""Whether the samples in config/ name only settings, secrets, volumes and services that there are. Run from the repository."""

import pathlib
import re
import sys

import yaml

config = pathlib.Path("config")
documented = set(re.findall(r"CHARGEFOLD_[A-Z0-9_]+", (config / "chargefold.yaml").read_text(encoding="utf-8")))
problems = []


def expect(condition, message):
    if not condition:
        problems.append(message)


def check_setting(where, name):
    expect(name.removesuffix("_FILE") in documented, f"{where}: there is no setting {name}")


for path in sorted(config.glob("compose*.yaml")):
    compose = yaml.safe_load(path.read_text(encoding="utf-8"))
    used = set()
    for name, service in compose["services"].items():
        where = f"{path} {name}"
        for variable, value in service.get("environment", {}).items():
            if variable.startswith("CHARGEFOLD_"):
                check_setting(where, variable)
            if variable.endswith("_FILE"):
                secret = str(value).removeprefix("/run/secrets/")
                expect(secret in service.get("secrets", []), f"{where}: is not given the secret {secret}")
        for secret in service.get("secrets", []):
            used.add(secret)
            expect(secret in compose["secrets"], f"{where}: no secret {secret}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = (config / source).exists() or source == "./tls" or source in compose.get("volumes", {})
            expect(known, f"{where}: no volume {source}")
        for limit in ("mem_limit", "pids_limit", "healthcheck", "security_opt", "logging"):
            expect(limit in service, f"{where}: has no {limit}")
        if name.startswith(("chargefold", "receiver")):
            expect(service.get("read_only") and service.get("cap_drop") == ["ALL"], f"{where}: may write or has capabilities")
    names = set(compose["services"])
    for service in compose["services"].values():
        for network in (service.get("networks") or {}).values():
            names.update(network.get("aliases", []))
    expect("chargefold" in names, f"{path}: nginx.conf asks for the name chargefold, and nobody has it")
    expect(used == set(compose["secrets"]), f"{path}: secrets that nobody uses: {set(compose['secrets']) - used}")

documents = {}
folder = config / "kubernetes"
kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
for name in kustomization["resources"]:
    for document in yaml.safe_load_all((folder / name).read_text(encoding="utf-8")):
        documents[(document["kind"], document["metadata"]["name"])] = document
secret = yaml.safe_load((folder / "secret.example.yaml").read_text(encoding="utf-8"))
workload = documents[("StatefulSet", "chargefold")]["spec"]
pod = workload["template"]["spec"]
container = pod["containers"][0]
labels = workload["template"]["metadata"]["labels"]
volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in workload["volumeClaimTemplates"]}
expect(("Service", workload["serviceName"]) in documents, "the StatefulSet's service is missing")
for mount in container["volumeMounts"]:
    expect(mount["name"] in volumes, f"no volume {mount['name']}")
mounted = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "secrets")
for variable in container["env"]:
    check_setting("statefulset.yaml", variable["name"])
    if variable["name"].endswith("_FILE"):
        key = variable["value"].removeprefix(mounted + "/")
        expect(key in secret["stringData"], f"statefulset.yaml: the secret has no {key}")
ports = {port["name"] for port in container["ports"]}
for (kind, name), document in documents.items():
    spec = document["spec"]
    if kind == "Service":
        expect(spec["selector"].items() <= labels.items(), f"{name} selects nothing")
        expect(all(port["targetPort"] in ports for port in spec["ports"]), f"{name}: no such port")
    if kind == "PodDisruptionBudget":
        expect(spec["selector"]["matchLabels"].items() <= labels.items(), f"{name} selects nothing")
    if kind == "NetworkPolicy":
        expect(spec["podSelector"]["matchLabels"].items() <= labels.items(), f"{name} selects nothing")
    if kind == "Ingress":
        for rule in spec["rules"]:
            for path in rule["http"]["paths"]:
                expect(("Service", path["backend"]["service"]["name"]) in documents, f"{name}: no such service")
drain = next(int(v["value"]) for v in container["env"] if v["name"].endswith("DRAIN_DELAY_SECONDS"))
deadline = int(re.search(r"#deadlineSeconds: (\d+)", (config / "chargefold.yaml").read_text(encoding="utf-8")).group(1))
expect(drain + deadline < pod["terminationGracePeriodSeconds"], "the pod is killed before its drain is over")

for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(bool(problems))
