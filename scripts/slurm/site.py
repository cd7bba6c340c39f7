#!/usr/bin/env python3
"""Prints what is particular to a machine as lines for a shell to `eval`.

usage: scripts/slurm/site.py SITE.toml submit     before sbatch: account, partition and the like, for sbatch to read
       scripts/slurm/site.py SITE.toml job        in the job: modules, and how the program is launched

sites/example.toml describes the keys.
"""

from __future__ import annotations

import difflib
import pathlib
import re
import shlex
import sys

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    try:
        import tomli as tomllib  # type: ignore[no-redef]
    except ModuleNotFoundError:
        from pip._vendor import tomli as tomllib  # type: ignore[no-redef]

# Key of the file: the variable that it sets.
SUBMIT_VARIABLES = {
    "account": "SBATCH_ACCOUNT",
    "partition": "SBATCH_PARTITION",
    "constraint": "SBATCH_CONSTRAINT",
    "qos": "SBATCH_QOS",
}
JOB_VARIABLES = {"srun_mpi": "RINGWORLD_SRUN_MPI", "gpu_bind": "RINGWORLD_GPU_BIND"}
TYPES = dict.fromkeys([*SUBMIT_VARIABLES, *JOB_VARIABLES], str) | {"modules": list, "environment": dict}
TYPE_NAMES = {str: "a string", list: "a list of strings", dict: "a table of strings"}


class BadSiteError(Exception):
    """A file that cannot be used; the text says why."""


def read_site(path: pathlib.Path) -> dict:
    try:
        site = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSiteError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSiteError(f"{path}: {error}") from None
    for key, value in site.items():
        if key not in TYPES:
            near = difflib.get_close_matches(key, TYPES, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(TYPES)}"
            raise BadSiteError(f"{path}: unknown key '{key}': {hint}")
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        if not isinstance(value, TYPES[key]) or not all(isinstance(item, str) for item in items):
            raise BadSiteError(f"{path}: '{key}' must be {TYPE_NAMES[TYPES[key]]}")
    for name in site.get("environment", {}):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise BadSiteError(f"{path}: [environment] '{name}' is no name of a variable")
    return site


def set_unless_set(name: str, value: str) -> str:
    """What the caller has set wins over the file."""
    return f'[[ -n ${{{name}:-}} ]] || export {name}={shlex.quote(value)}'


def shell_lines(site: dict, moment: str) -> list[str]:
    variables = SUBMIT_VARIABLES if moment == "submit" else JOB_VARIABLES
    lines = [set_unless_set(variable, site[key]) for key, variable in variables.items() if site.get(key)]
    if moment == "job":
        if site.get("modules"):
            lines += ["module purge", "module load " + " ".join(map(shlex.quote, site["modules"]))]
        lines += [set_unless_set(name, value) for name, value in site.get("environment", {}).items()]
    return lines


def main(arguments: list[str]) -> int:
    if arguments in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    if len(arguments) != 2 or arguments[1] not in ("submit", "job"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        print("\n".join(shell_lines(read_site(pathlib.Path(arguments[0])), arguments[1])))
    except BadSiteError as error:
        print(f"site: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
