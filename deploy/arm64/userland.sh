#!/bin/bash
# Build a 64-bit ARM userland that qemu's user emulation can run: no privileges, no chroot, no board.
#   deploy/arm64/userland.sh ROOT [bookworm|trixie]
# Needs apt, pip, gcc, and qemu-user 7.2 to 8.1, as Debian 12 has it: later ones dropped the plugin call that counts
# instructions, and make up a /proc/cpuinfo of their own. A pip other than the first on the path: PIP=… before the command.
# ROOT gets Debian 12 with Python 3.11, or 13 with 3.13; the package's dependencies and those of its tests as aarch64
# wheels in ROOT/site; ROOT/icount.so, the instruction counter; and ROOT/usr/local/bin/python3, the emulated Python as
# a program of this machine: it may start itself, so virtual environments, pip and child processes work. About 600 MB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${1:?usage: userland.sh ROOT [bookworm|trixie]} release=${2:-bookworm}
case $release in
  bookworm) python=3.11 glibc=36 ;;
  trixie) python=3.13 glibc=41 ;;
  *) echo "expected bookworm or trixie, got $release" >&2; exit 1 ;;
esac
version=$(qemu-aarch64 --version | sed -n 's/.*version \([0-9]*\.[0-9]*\).*/\1/p')
case $version in
  7.2 | 8.0 | 8.1) ;;
  *) echo "expected qemu-aarch64 7.2 to 8.1, got ${version:-none}" >&2; exit 1 ;;
esac
mkdir -p "$root/usr/lib"
root=$(cd "$root" && pwd)
# From Debian 13 on, packages have no /lib of their own.
[ "$release" = bookworm ] || ln -sfn usr/lib "$root/lib"

# apt with a state of its own: the host's packages and architectures are left alone.
state=$root/var/apt-state
rm -rf "$state"/archives # of an earlier run: its packages may be older
mkdir -p "$state"/lists/partial "$state"/archives/partial
: > "$state/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" \
  > "$state/sources.list"
apt=(apt-get -qq -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oDir::State="$state" -oDir::State::Lists="$state/lists"
  -oDir::State::status="$state/status" -oDir::Cache="$state" -oDir::Cache::archives="$state/archives"
  -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache= -oDir::Etc::sourcelist="$state/sources.list" -oDir::Etc::sourceparts=- -oAPT::Sandbox::User= -oAPT::Install-Recommends=0 -oDebug::NoLocking=1)
"${apt[@]}" update
"${apt[@]}" -y --download-only install "python$python" "python$python-venv" libstdc++6 libgomp1 > /dev/null
for package in "$state"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --no-same-owner --keep-directory-symlink -C "$root"
done

# Where pip's wheel lies: Python 3.13 asks for its extended attributes, which qemu looks for on this machine.
sed -i "s#/usr/share/python-wheels#$root&#" \
  "$root/usr/lib/python$python"/_sysconfigdata*.py "$root/usr/lib/python$python/ensurepip/__init__.py"

# A script of this machine, which the guest can start where it cannot start a guest's program: sys.executable is this.
mkdir -p "$root/usr/local/bin"
cat > "$root/usr/local/bin/python3" << END
#!/bin/sh
exec qemu-aarch64 -L '$root' -0 "\$0" '$root/usr/bin/python$python' "\$@"
END
chmod +x "$root/usr/local/bin/python3"

# The dependencies of the package and of its tests, from pyproject.toml, as wheels for aarch64.
platforms=(--platform manylinux2014_aarch64)
for minor in $(seq 17 "$glibc"); do platforms+=(--platform "manylinux_2_${minor}_aarch64"); done
python3 - "$here/../../pyproject.toml" > "$root/requirements.txt" << 'END'
import pathlib, re, sys
text = pathlib.Path(sys.argv[1]).read_text()
for key in ("dependencies", "test"):
    listed = re.search(rf"^{key} = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)[1]
    print(*re.findall(r'"([^"]+)"', listed), sep="\n")
END
${PIP:-pip} install -q --upgrade --target "$root/site" --only-binary=:all: --python-version "$python" --implementation cp \
  --abi "cp${python/./}" --abi abi3 --abi none "${platforms[@]}" -r "$root/requirements.txt"

gcc -shared -fPIC -O2 -o "$root/icount.so" "$here/icount.c"
echo "$root: $(du -sm "$root" | cut -f1) MB"
