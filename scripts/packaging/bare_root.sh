#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=
command=()

usage() {
  cat <<'HELP'
Installs the last commit in a Debian 12 that holds nothing else, and uses it there from another project.

  scripts/packaging/bare_root.sh DIR [-- COMMAND...]

Makes Debian in DIR with debootstrap where DIR is not there yet, brings the commit to DIR/usr/src/ringworld, and runs
scripts/packaging/containers/install.sh there, without a compiler cache; then a project outside of the tree finds the
installed Ringworld by CMake and by pkg-config, and runs a ring of two ranks. COMMAND is run in the checkout in place of all that:
  scripts/packaging/bare_root.sh DIR -- scripts/demo.sh
Prints how long each step took. For root; DIR takes 4 GB and is kept.
HELP
}

fail_usage() {
  echo "bare_root: $1 (see scripts/packaging/bare_root.sh --help)" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --) command=("${@:2}") && break ;;
      -*) fail_usage "unknown argument '$1'" ;;
      *) [[ -z $folder ]] || fail_usage "one DIR, not '$1' as well" && folder=$1 ;;
    esac
    shift
  done
  [[ -n $folder ]] || fail_usage "DIR is missing"
  ((EUID == 0)) || fail_usage "only root may change the root"
  command -v debootstrap >/dev/null || fail_usage "debootstrap is not installed (apt-get install debootstrap)"
}

# step NAME COMMAND...: with its time.
step() {
  local start=$SECONDS
  echo "==== $1"
  "${@:2}"
  printf '==== %s: %d s\n' "$1" "$((SECONDS - start))"
}

make_debian() { debootstrap --variant=minbase bookworm "$folder" >"$folder.log"; }

bring_commit() {
  rm -rf "$folder/usr/src/ringworld"
  mkdir -p "$folder/usr/src/ringworld"
  # A clone, as the build records the commit.
  git clone --quiet --no-hardlinks "$root" "$folder/usr/src/ringworld"
  cp /etc/resolv.conf /etc/hosts "$folder/etc/"
  # Behind a proxy that signs for others, pip needs to know it.
  [[ ! -f ${PIP_CERT:-} ]] || cp "$PIP_CERT" "$folder/etc/pip_certificates.crt"
}

inside() {
  env --ignore-environment PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CCACHE_DISABLE=1 \
    ${PIP_CERT:+PIP_CERT=/etc/pip_certificates.crt} \
    unshare --mount --pid --fork --kill-child chroot "$folder" bash -c \
    'mount -t proc proc /proc && mount -t devtmpfs dev /dev && mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm &&
     cd /usr/src/ringworld && exec "$@"' bash "$@"
}

parse "$@"
[[ -d $folder/usr/bin ]] || step "Debian 12 by debootstrap" make_debian
step "checkout" bring_commit
if ((${#command[@]} > 0)); then
  step "${command[*]}" inside "${command[@]}"
else
  step "install" inside scripts/packaging/containers/install.sh /usr/src/ringworld
  step "outside project" inside tests/scripts/outside_project.sh /usr/src/ringworld /opt/ringworld
fi
