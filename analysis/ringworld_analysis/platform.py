"""A platform for scripts/simulate.sh from what was measured on a machine: links, and benchmarks of kernels."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringworld_analysis import benchmarks
from ringworld_analysis.errors import InputError
from ringworld_analysis.reading import LINKS, read_source
from ringworld_analysis.sections.links import Fit, fit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Measured:
    """Hops between all ranks of a job, and where the ranks were."""

    origin: str
    ranks: int
    nodes: int
    hop: Fit

    @property
    def is_inside(self) -> bool:
        """Whether no message left a node."""
        return self.nodes == 1


def calibrate(links: Sequence[Path], bench: Sequence[Path], devices_per_node: int) -> str:
    """Return the TOML of a platform.

    :param links: records of `info --links`, or rates of `attention --rates-output`; jobs on one node say what
        links inside of it do, jobs with one rank a node what the network does
    :param bench: output of kernels/bench as JSON, for the peak of a device; may be empty
    :param devices_per_node: of the machine
    :raises InputError: when a file cannot be read or has no hops, or when one cannot tell from where ranks were
    """
    found = [measured for path in links for measured in _read(path)]
    inside = next((each for each in found if each.is_inside), None)
    network = next((each for each in found if not each.is_inside), None)
    if network is None and inside is None:
        raise InputError("no links were given")
    if network is not None and inside is None and devices_per_node > 1:
        raise InputError(
            f"{network.origin}: between nodes only; for {devices_per_node} devices a node "
            "give a record of one node, too"
        )
    if network is None and inside is not None:
        network = inside
        devices_per_node = 1
    assert network is not None  # one of the two was found
    is_flat = devices_per_node == 1
    origins = [each.origin for each in (inside, network) if each is not None]
    lines = [
        f'kind = "{"flat" if is_flat else "nodes"}"',
        f'source = "measured: hops of {", ".join(dict.fromkeys(origins))}"',
        f"devices_per_node = {devices_per_node}",
    ]
    roofs = benchmarks.roofs_of(benchmarks.read(bench).points) if bench else []
    peak = max((roof.peak for roof in roofs), default=0.0)
    lines += [f"peak_flops_per_second = {peak:.6g}  # measured"] if peak > 0 else []
    if is_flat:
        # A message passes the link of its sender and that of its receiver.
        lines += ["", "[link]", *_link(network.hop, network.hop.latency / 2)]
    else:
        assert inside is not None  # checked above
        lines += ["", "[inside]", *_link(inside.hop, inside.hop.latency)]
        lines += ["", "[network]", "devices_per_port = 1", *_link(network.hop, network.hop.latency)]
    return "\n".join(lines) + "\n"


def _link(hop: Fit, latency: float) -> list[str]:
    # A platform has no link without latency.
    return [f"bytes_per_second = {hop.bandwidth:.6g}", f"latency = {max(latency, 1e-9):.6g}"]


def _read(path: Path) -> list[Measured]:
    if path.suffix == ".toml":
        return _read_rates(path)
    table = read_source(path, needs_attention=False).table(LINKS)
    if table is None:
        raise InputError(f"{path}: has no {LINKS}; `ringworld info --links` writes one")
    rows = table.take(table.last_valid(table.keys))
    found = []
    for (ranks, nodes), part in rows.where(operation="hop").groups(["ranks", "nodes"]):
        if nodes not in (1, ranks):
            raise InputError(
                f"{path}: {ranks} ranks on {nodes} nodes: some hops left a node and some did not. Measure with all "
                "ranks on one node, and with one rank a node"
            )
        hop = fit(part["bus_bandwidth"] * part["seconds"], part["seconds"].astype(float))
        if hop is None or not math.isfinite(hop.bandwidth):
            raise InputError(f"{path}: the hops of {ranks} ranks have too few lengths to tell latency from bandwidth")
        found.append(Measured(str(path.name), int(ranks), int(nodes), hop))
    if not found:
        raise InputError(f"{path}: {LINKS} has no valid hop")
    return found


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror})") from problem
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"{path}: {problem}") from problem


def _read_rates(path: Path) -> list[Measured]:
    tables = _read_toml(path).get("link", [])
    if not isinstance(tables, list) or not tables:
        raise InputError(f"{path}: has no [[link]]")
    found = []
    for table in tables:
        try:
            hop = Fit(float(table["latency"]), float(table["bytes_per_second"]), 0.0)
            is_inside = {"node": True, "network": False}[table["level"]]
        except (KeyError, TypeError, ValueError) as problem:
            raise InputError(f"{path}: a [[link]] lacks level, latency or bytes_per_second ({problem})") from problem
        found.append(Measured(path.name, 2, 1 if is_inside else 2, hop))
    return found
