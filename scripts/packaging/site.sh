#!/usr/bin/env bash
# The pages of this project as a site, in build/site/html: every page where it lies in the tree, so that the links
# between pages hold, with the pictures and files that pages name. A link to nowhere, and a page that the contents leave
# out, end it. mkdocs comes with `scripts/setup.sh --dev`; RINGWORLD_MKDOCS names another.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
site="$root/build/site"

usage() {
  cat <<'HELP'
Makes a site of all pages of this project.

  scripts/packaging/site.sh

Open build/site/html/index.html.
HELP
}

# The files that a page links to, as paths in the tree: one a line.
linked_files() {
  grep -oE '\]\([^)#:]+' "$1" | cut -c3- | while read -r link; do
    realpath --relative-to="$root" --no-symlinks "$(dirname "$1")/$link"
  done
}

main() {
  case ${1:-} in
    --help | -h) usage && return 0 ;;
    ?*) echo "site: unknown argument '$1' (see scripts/packaging/site.sh --help)" >&2 && return 2 ;;
  esac
  local mkdocs=${RINGWORLD_MKDOCS:-$root/.venv/bin/mkdocs} page file pages
  if [[ ! -x $mkdocs ]]; then
    echo "site: there is no $mkdocs; scripts/setup.sh --dev brings it" >&2
    return 2
  fi
  cd "$root"
  rm -rf "$site"
  mkdir -p "$site/pages"
  mapfile -t pages < <(git ls-files '*.md')
  for page in "${pages[@]}"; do
    for file in "$page" $(linked_files "$page"); do
      [[ ! -f $file ]] || install -D -m 644 "$file" "$site/pages/$file"
    done
    if [[ $page != */golden/* ]] && ! grep -q ": $page\$" docs/mkdocs.yml; then
      echo "site: $page is not in the contents (docs/mkdocs.yml)" >&2
      return 1
    fi
  done
  sed "1a docs_dir: pages\nsite_dir: html" docs/mkdocs.yml >"$site/mkdocs.yml"
  # Not --quiet: it takes the warnings away before --strict counts them.
  "$mkdocs" build --strict --config-file "$site/mkdocs.yml" >"$site/log" 2>&1 ||
    { grep -E '^(WARNING|ERROR|Error)' "$site/log" >&2 && return 1; }
  echo "site: ${#pages[@]} pages in build/site/html"
}

main "$@"
