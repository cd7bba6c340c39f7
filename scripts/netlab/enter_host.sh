#!/usr/bin/env bash
# What Open MPI takes for ssh: runs COMMAND on a "host" of scripts/netlab.sh, which is a network namespace and a
# host name of its own.
# usage: enter_host.sh HOST COMMAND...        (RINGWORLD_NETLAB names the pair of namespaces)
set -euo pipefail

host=$1
shift
# Open MPI hands over one string of shell, as it would to ssh.
# shellcheck disable=SC2016
exec nsenter --net="/run/netns/${RINGWORLD_NETLAB:?is set by netlab.sh}-$host" \
  unshare --uts sh -c 'hostname "$1" && shift && eval "$*"' enter_host "$host" "$@"
