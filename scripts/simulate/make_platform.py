"""Writes the XML file of a platform for SimGrid 3.32, in which one host is one rank's device.

usage: make_platform.py PLATFORM.toml RANKS > platform.xml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib  # type: ignore[no-redef]

Table = dict[str, Any]
HEAD = """<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
"""
#: Of links that are to be no limit.
ENDLESS = 1e15

#: Keys of each kind of platform, by table; those of the file itself stand under "".
COMMON = {"kind", "source", "devices_per_node", "peak_flops_per_second"}
KEYS: dict[str, dict[str, set[str]]] = {
    "flat": {"": COMMON, "link": {"bytes_per_second", "latency"}},
    "torus": {"": COMMON, "link": {"bytes_per_second", "latency"}},
    "nodes": {
        "": COMMON,
        "inside": {"bytes_per_second", "latency", "devices_per_package", "between_bytes_per_second"},
        "network": {"bytes_per_second", "latency", "devices_per_port"},
    },
}
OPTIONAL = {"devices_per_package", "between_bytes_per_second", "peak_flops_per_second"}


def fail(text: str) -> NoReturn:
    sys.stderr.write(f"make_platform: {text}\n")
    raise SystemExit(2)


def read(path: Path) -> Table:
    """Read a platform; every key must be known, every number above zero."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        fail(f"{path}: {problem.strerror}")
    except tomllib.TOMLDecodeError as problem:
        fail(f"{path}: {problem}")
    kind = table.get("kind")
    if kind not in KEYS:
        fail(f"{path}: kind is {kind!r}; it must be one of {', '.join(KEYS)}")
    for name, known in KEYS[kind].items():
        part = table if not name else table.get(name)
        if not isinstance(part, dict):
            fail(f"{path}: the table [{name}] is missing")
        values = {key: value for key, value in part.items() if not isinstance(value, dict)}
        where = f"[{name}] " if name else ""
        for key in values:
            if key not in known:
                fail(f"{path}: {where}{key} is no key of a platform of kind {kind}: {', '.join(sorted(known))}")
        for key in known - set(values) - OPTIONAL:
            fail(f"{path}: {where}{key} is missing")
        for key, value in values.items():
            if key not in ("kind", "source") and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
                fail(f"{path}: {where}{key} = {value!r} is not a number above 0")
    for key in table:
        if isinstance(table[key], dict) and key not in KEYS[kind]:
            fail(f"{path}: [{key}] is no table of a platform of kind {kind}")
    return table


def cluster(ranks: int, link: Table, topology: str = "") -> Iterator[str]:
    yield (
        f'<cluster id="c" prefix="h" suffix="" radical="0-{ranks - 1}" speed="1Gf" bw="{link["bytes_per_second"]:g}Bps" '
        f'lat="{link["latency"]:g}s" sharing_policy="SPLITDUPLEX"{topology} loopback_bw="{ENDLESS:g}Bps" '
        'loopback_lat="0s"/>\n'
    )


def torus_extents(ranks: int) -> tuple[int, int, int]:
    """Return the three sides of the torus of so many chips that is nearest to a cube; the first is the shortest."""
    found = [
        (first, second, ranks // (first * second))
        for first in range(1, ranks + 1)
        if ranks % first == 0 and first**3 <= ranks
        for second in range(first, ranks // first + 1)
        if (ranks // first) % second == 0 and second <= ranks // (first * second)
    ]
    return min(found, key=lambda sides: sides[2] - sides[0])


def link(name: str, bytes_per_second: float, latency: float, policy: str = "") -> str:
    return f'<link id="{name}" bandwidth="{bytes_per_second:g}Bps" latency="{latency:g}s"{policy}/>\n'


def uses(*names: str) -> str:
    return "".join(f'<link_ctn id="{name}"/>' for name in names)


def route(source: str, target: str, *names: str) -> str:
    return f'<route src="{source}" dst="{target}" symmetrical="NO">{uses(*names)}</route>\n'


def node(index: int, devices: int, inside: Table, network: Table) -> Iterator[str]:
    """Yield one node: its devices, the links among them, and its ports to the network.

    A message within a node passes a link up and one down, each with half of the latency; one to another node passes a
    port, the core and a port.
    """
    zone, first = f"n{index}", index * int(devices)
    package = int(inside.get("devices_per_package", devices))
    yield f'<zone id="{zone}" routing="Full">\n'
    yield from (f'<host id="h{first + device}" speed="1Gf"/>\n' for device in range(devices))
    yield f'<router id="{zone}_out"/>\n'
    pairs = [(a, b) for a in range(devices) for b in range(devices) if a != b]
    if package < devices:
        for a, b in pairs:
            rate = inside["bytes_per_second"] if a // package == b // package else inside["between_bytes_per_second"]
            yield link(f"{zone}_p{a}_{b}", rate, inside["latency"])
    else:
        for device in range(devices):
            for way in "ud":
                yield link(f"{zone}_{way}{device}", inside["bytes_per_second"], inside["latency"] / 2)
    ports = sorted({device // int(network["devices_per_port"]) for device in range(devices)})
    for port in ports:
        for way in ("nu", "nd"):
            yield link(f"{zone}_{way}{port}", network["bytes_per_second"], network["latency"] / 4)
    for a, b in pairs:
        names = [f"{zone}_p{a}_{b}"] if package < devices else [f"{zone}_u{a}", f"{zone}_d{b}"]
        yield route(f"h{first + a}", f"h{first + b}", *names)
    for device in range(devices):
        port = device // int(network["devices_per_port"])
        yield route(f"h{first + device}", f"{zone}_out", f"{zone}_nu{port}")
        yield route(f"{zone}_out", f"h{first + device}", f"{zone}_nd{port}")
    yield "</zone>\n"


def nodes(ranks: int, table: Table) -> Iterator[str]:
    devices, inside, network = int(table["devices_per_node"]), table["inside"], table["network"]
    count = -(-ranks // devices)
    yield '<zone id="all" routing="Floyd">\n<zone id="core" routing="Full"><router id="core_router"/></zone>\n'
    for index in range(count):
        yield from node(index, devices, inside, network)
    yield link("core_link", ENDLESS, network["latency"] / 4, ' sharing_policy="FATPIPE"')
    for index in range(count):
        yield (
            f'<zoneRoute src="n{index}" dst="core" gw_src="n{index}_out" gw_dst="core_router">{uses("core_link")}'
            "</zoneRoute>\n"
        )
    yield "</zone>\n"


def render(table: Table, ranks: int) -> str:
    """Return the XML of a platform with at least so many devices, named h0, h1, ..."""
    if table["kind"] == "flat":
        body = cluster(ranks, table["link"])
    elif table["kind"] == "torus":
        # SimGrid names a link by its ends: two sides of one chip would each have a link from it to itself.
        sides = ",".join(str(side) for side in torus_extents(ranks) if side > 1) or "1"
        body = cluster(ranks, table["link"], f' topology="TORUS" topo_parameters="{sides}"')
    else:
        body = nodes(ranks, table)
    return HEAD + "".join(body) + "</platform>\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or not arguments[1].isdigit() or int(arguments[1]) < 1:
        fail("usage: make_platform.py PLATFORM.toml RANKS")
    sys.stdout.write(render(read(Path(arguments[0])), int(arguments[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
