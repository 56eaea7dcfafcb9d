#!/bin/bash
# Build a 64-bit ARM userland that qemu's user emulation can run: no privileges, no chroot, no board.
#   deploy/arm64/userland.sh ROOT
# Needs apt, pip, gcc, and qemu-user 7.2 to 8.1, as Debian 12 has it: later ones dropped the plugin call that counts
# instructions, and make up a /proc/cpuinfo of their own. A pip other than the first on the path: PIP=… before the command.
# ROOT gets Debian 12 with Python 3.11, the package's dependencies as aarch64 wheels in ROOT/site, and ROOT/icount.so,
# the instruction counter. About 600 MB, half a minute.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${1:?usage: userland.sh ROOT}
version=$(qemu-aarch64 --version | sed -n 's/.*version \([0-9]*\.[0-9]*\).*/\1/p')
case $version in
  7.2 | 8.0 | 8.1) ;;
  *) echo "expected qemu-aarch64 7.2 to 8.1, got ${version:-none}" >&2; exit 1 ;;
esac
mkdir -p "$root"
root=$(cd "$root" && pwd)

# apt with a state of its own: the host's packages and architectures are left alone.
state=$root/var/apt-state
rm -rf "$state"/archives # of an earlier run: its packages may be older
mkdir -p "$state"/lists/partial "$state"/archives/partial
: > "$state/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main" \
  > "$state/sources.list"
apt=(apt-get -qq -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oDir::State="$state" -oDir::State::Lists="$state/lists"
  -oDir::State::status="$state/status" -oDir::Cache="$state" -oDir::Cache::archives="$state/archives"
  -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache= -oDir::Etc::sourcelist="$state/sources.list" -oDir::Etc::sourceparts=- -oAPT::Sandbox::User= -oAPT::Install-Recommends=0 -oDebug::NoLocking=1)
"${apt[@]}" update
"${apt[@]}" -y --download-only install python3.11 libstdc++6 libgomp1 > /dev/null
for package in "$state"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --no-same-owner -C "$root"
done

# The dependencies of the package and of its tests, from pyproject.toml, as wheels for aarch64.
platforms=(--platform manylinux2014_aarch64)
for glibc in 17 24 27 28 31 34 35 36; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
python3 - "$here/../../pyproject.toml" > "$root/requirements.txt" << 'END'
import pathlib, re, sys
text = pathlib.Path(sys.argv[1]).read_text()
for key in ("dependencies", "test"):
    listed = re.search(rf"^{key} = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)[1]
    print(*re.findall(r'"([^"]+)"', listed), sep="\n")
END
${PIP:-pip} install -q --upgrade --target "$root/site" --only-binary=:all: --python-version 3.11 --implementation cp \
  --abi cp311 --abi abi3 --abi none "${platforms[@]}" -r "$root/requirements.txt"

gcc -shared -fPIC -O2 -o "$root/icount.so" "$here/icount.c"
echo "$root: $(du -sm "$root" | cut -f1) MB"
