#!/usr/bin/env bash
# On a workstation: everything that deploy/install.sh needs on a board without a network, in one folder.
#   deploy/wheelhouse.sh BOARD FOLDER      BOARD: a file of deploy/constraints without .txt
# Copy FOLDER to the board and run FOLDER/install.sh there. Needs pip, and a network. Another pip: PIP=… before it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
board=${1:?usage: wheelhouse.sh BOARD FOLDER} folder=${2:?usage: wheelhouse.sh BOARD FOLDER}
pip=${PIP:-pip}
constraints=$here/constraints/$board.txt
[ -f "$constraints" ] || { echo "expected a board out of $(cd "$here/constraints" && echo *.txt | sed 's/\.txt//g'), got $board" >&2; exit 1; }
if [ -e "$folder" ] && [ -n "$(ls -A "$folder")" ]; then
    echo "expected an empty folder, got $folder with files in it" >&2
    exit 1
fi
# The first line of the constraints: # Python 3.11, aarch64, glibc 2.36
read -r _ _ python machine _ glibc <<<"$(head -1 "$constraints" | tr -d ,)"
options=(--only-binary=:all: --implementation cp --python-version "$python" --abi "cp${python/./}" --abi abi3 --abi none)
options+=(--platform "manylinux2014_$machine")
for minor in $(seq 17 "${glibc#2.}"); do options+=(--platform "manylinux_2_${minor}_$machine"); done

mkdir -p "$folder/wheels"
"$pip" wheel --quiet --no-deps --wheel-dir "$folder/wheels" "$here/.."
wheel=$(compgen -G "$folder/wheels/edge_mdda-*.whl")
"$pip" download --quiet --dest "$folder/wheels" --constraint "$constraints" "${options[@]}" "${wheel}[signed,serve]"
mkdir "$folder/constraints"
cp "$constraints" "$folder/constraints/"
cp -r "$here/install.sh" "$here/systemd" "$folder/"
sums=$(cd "$folder" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
printf '%s\n' "$sums" >"$folder/SHA256SUMS"
echo "$folder: $(find "$folder/wheels" -name '*.whl' | wc -l) wheels for $board, $(du -sm "$folder" | cut -f1) MB"
