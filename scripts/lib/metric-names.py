"""Compares the metrics that config/prometheus and config/grafana name with those that Sources export."""

import json
import pathlib
import re
import sys

# Exported by Prometheus itself; and by receivers that share a log, which the one that is asked here does not.
OTHERS = {"up", "chargefold_unshipped_deliveries", "chargefold_unshipped_oldest_seconds", "chargefold_database_reachable",
          "chargefold_synchronous_standbys"}
# Words of PromQL; whatever else stands in an expression outside of braces and quotes is a metric.
WORDS = {"and", "or", "unless", "by", "sum", "max", "min", "increase", "rate", "changes", "offset", "time", "predict_linear",
         "histogram_quantile", "label_values", "le", "job", "call", "outcome", "reason", "content", "status", "instance"}


def named(expression):
    plain = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"", " ", expression)
    return {word for word in re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", plain)} - WORDS - {"w", "h", "m", "d"}


def expressions():
    rules = pathlib.Path("config/prometheus/rules.yaml").read_text()
    for block in re.findall(r"^ +expr: (\|\n(?: {10,}.*\n)+|.*\n)", rules, re.M):
        yield block.removeprefix("|")
    board = json.loads(pathlib.Path("config/grafana/chargefold.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


exported = set()
for path in pathlib.Path("Sources").rglob("*.swift"):
    exported |= set(re.findall(r'"((?:chargefold|process)_[a-z0-9_]+)"', path.read_text()))
exported |= {name + suffix for name in list(exported) if name.endswith("_seconds") for suffix in ("_bucket", "_sum", "_count")}
all_expressions = list(expressions())
wanted = set().union(*map(named, all_expressions))
missing = sorted(wanted - exported - OTHERS)
print(f"{len(wanted)} metrics in {len(all_expressions)} expressions, {len(exported)} exported")
for name in missing:
    print(f"not exported: {name}")
sys.exit(1 if missing or len(all_expressions) < 30 else 0)
