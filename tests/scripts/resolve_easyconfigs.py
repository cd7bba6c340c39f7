"""Prints the modules that an easyconfig needs, as EasyBuild's robot finds them. usage: resolve_easyconfigs.py FILE

For a Python that has easybuild-framework, -easyblocks and -easyconfigs. No `module` command is needed: nothing is built.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

from easybuild.framework.easyconfig.tools import parse_easyconfigs
from easybuild.tools.modules import NoModulesTool
from easybuild.tools.options import set_up_configuration
from easybuild.tools.robot import resolve_dependencies

path = Path(sys.argv[1]).resolve()
robot = f"--robot={path.parent}:{sys.prefix}/easybuild/easyconfigs"
allowed = "--allow-use-as-root-and-accept-consequences"
set_up_configuration(args=[robot, allowed, "--ignoreconfigfiles=/dev/null"], silent=True)
with mock.patch("easybuild.tools.modules.get_modules_tool", return_value=None):
    files, _ = parse_easyconfigs([(str(path), False)], validate=False)
    for needed in resolve_dependencies(files, NoModulesTool(testing=True), retain_all_deps=True):
        print(needed["full_mod_name"])
