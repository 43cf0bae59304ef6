"""Scripts that copy a store's volume while the store is stopped, with `sh` and `tar` of its own image.

The old content stays until all of the new one is there; where the copy breaks off, nothing has changed.
"""

from __future__ import annotations

# `lost+found` belongs to a volume, not to its store. On plain processes
# $DEVENV_DATA is the folder.
_ENTER = r"""
entries() {
  for name in * .[!.]* ..?*; do
    case $name in lost+found | .devenv-*) continue ;; esac
    if test -e "$name" || test -h "$name"; then printf '%s\n' "./$name"; fi
  done
}
plain=${DEVENV_DATA-}
cd "${plain:-$1}"
"""

_DUMP = r"""
trap 'rm -f .devenv-whole' EXIT
touch .devenv-whole     # the last in the archive: what has it is whole
names=$(entries)
set -f
IFS='
'
tar -cf - $names ./.devenv-whole
"""

_LOAD = r"""
undo() {
  (cd .devenv-old && entries) | while IFS= read -r name; do rm -rf "$name"; mv ".devenv-old/$name" .; done
  rm -rf .devenv-old .devenv-new
}
rm -rf .devenv-old .devenv-new
mkdir .devenv-old .devenv-new
trap undo EXIT
tar -xp${plain:+o}f - -C .devenv-new
rm .devenv-new/.devenv-whole || { echo "the copy is not whole" >&2; exit 1; }
test -n "$plain" || test -z "$2" || test "$(id -u)" != 0 || chown -R "$2" .devenv-new
entries | while IFS= read -r name; do mv "$name" .devenv-old; done
(cd .devenv-new && entries) | while IFS= read -r name; do mv ".devenv-new/$name" .; done
rm -rf .devenv-old
mkdir .devenv-old
"""


def dump(folder: str) -> tuple[str, ...]:
    """Write the content of a volume's folder to stdout, as an archive."""
    return "sh", "-ec", _ENTER + _DUMP, "sh", folder


def load(folder: str, owner: int | None) -> tuple[str, ...]:
    """Replace it by that of an archive on stdin, whose files then belong to the store's user."""
    return "sh", "-ec", _ENTER + _LOAD, "sh", folder, "" if owner is None else str(owner)
