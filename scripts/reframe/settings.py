"""Systems of ReFrame. A site adds its own here, with its scheduler and modules: `generic` is any machine, without one."""

import os
from typing import Any

# Open MPI lets root start ranks, and more of them than there are cores, only when it is told so.
AS_ROOT = ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] if os.geteuid() == 0 else []

site_configuration: dict[str, Any] = {
    "systems": [
        {
            "name": "generic",
            "descr": "Any machine, without a scheduler",
            "hostnames": [".*"],
            "partitions": [
                {
                    "name": "default",
                    "scheduler": "local",
                    "launcher": "mpirun",
                    "environs": ["installed"],
                    "max_jobs": 1,  # times of tests that share a node say nothing
                    "env_vars": [
                        *([name, "1"] for name in AS_ROOT),
                        ["OMPI_MCA_rmaps_base_oversubscribe", "1"],
                    ],
                }
            ],
        }
    ],
    "environments": [{"name": "installed", "cc": "", "cxx": "", "ftn": ""}],
}
