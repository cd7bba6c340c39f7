# shellcheck shell=bash
# A machine where nothing is installed, as a folder for chroot: the C library and the programs that a test names.
# Sourced.

may_change_root() {
  ((EUID == 0)) && command -v chroot >/dev/null && chroot / true 2>/dev/null
}

# make_bare_root FOLDER PROGRAM...: them and the C library, with all libraries at the paths where they are here.
make_bare_root() {
  local folder=$1 program path c_library
  mkdir -p "$folder"/usr/bin "$folder"/{dev/shm,tmp,root}
  ln -s usr/bin "$folder/bin"
  chmod 1777 "$folder/tmp" "$folder/dev/shm"
  cp --archive /dev/null /dev/zero /dev/urandom "$folder/dev/"
  for program in "${@:2}"; do
    path=$(command -v "$program")
    cp --dereference "$path" "$folder/usr/bin/"
    copy_libraries_of "$folder" "$path"
  done
  c_library=$(ldd "$path" | grep -oE '/[^ ]+/libc\.so\.[0-9]+')
  cp --parents --dereference --target-directory "$folder" \
    "${c_library%/*}"/lib{m,mvec,pthread,dl,rt,resolv,util}.so.[0-9]
}

copy_libraries_of() {
  ldd "${@:2}" | grep -oE '/[^ ]+' | grep -v ':$' | sort -u |
    xargs cp --parents --dereference --update --target-directory "$1"
}

# add_python FOLDER: the python3 of the system with its standard library, and nothing of pip's.
add_python() {
  local library
  library=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  cp --dereference /usr/bin/python3 "$1/usr/bin/"
  mkdir -p "$1$(dirname "$library")"
  cp --recursive --dereference "$library" "$1$(dirname "$library")/"
  copy_libraries_of "$1" /usr/bin/python3 "$library"/lib-dynload/*.so
}

# in_bare_root FOLDER COMMAND...
in_bare_root() {
  env --ignore-environment PATH=/usr/bin HOME=/root TMPDIR=/tmp "$(command -v chroot)" "$@"
}
