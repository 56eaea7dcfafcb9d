#!/usr/bin/env bash
# From a fresh Raspberry Pi OS 64-bit (12, 13) or JetPack 6 to a working edge-mdda and its service.
#   deploy/install.sh                     install, or upgrade in place
#   deploy/install.sh --offline FOLDER    the same without a network, from what deploy/wheelhouse.sh made
#   deploy/install.sh --uninstall         remove it; --purge takes images, reports, models, settings and user as well
# Options: --prefix DIR (/opt/edge-mdda); --no-service (program only: needs no root where DIR is writable);
#   --python PROGRAM; --board NAME (a file of deploy/constraints, or none); --root DIR (a trial: everything below DIR,
#   no user is made and systemd not told).
# It may be cut off or run again at any time: a new version is made beside the old one and takes its place at once.
set -euo pipefail
unset PYTHONPATH PYTHONHOME # they would mix another Python's packages in
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=/opt/edge-mdda root='' python='' board='' offline='' service=yes action=install purge=no

fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '\n== %s\n' "$*"; }

while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --root | --python | --board | --offline)
            [ $# -gt 1 ] || fail "expected a value after $1, got none"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        --no-service) service=no ;;
        --uninstall) action=uninstall ;;
        --purge) purge=yes ;;
        --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit ;;
        *) fail "expected an option as --help lists them, got $1" ;;
    esac
    shift
done
for path in "$prefix" "${root:-/}"; do
    case $path in
        /*[[:space:]\#\&]*) fail "expected a path without blanks, # and &, got $path" ;;
        /*) ;;
        *) fail "expected an absolute path, got $path" ;;
    esac
done

prefix=$root$prefix
units=$root/etc/systemd/system
unit=edge-mdda-watch.service
serve=edge-mdda-serve.service # installed, and started by whoever wants it
config=$root/etc/edge-mdda
state=$root/var/lib/edge-mdda
models=$root/var/lib/edge-mdda-models
archive=$root/var/lib/edge-mdda-archive
cache=$root/var/cache/edge-mdda
sysusers=$root/usr/lib/sysusers.d/edge-mdda.conf
command=$root/usr/local/bin/edge-mdda

live() { [ "$service" = yes ] && [ -z "$root" ]; } # whether users and systemd are touched

need_root() {
    if live && [ "$(id -u)" != 0 ]; then fail "expected root for the service, got user $(id -un): sudo, or --no-service"; fi
}

check_system() {
    local glibc version
    [ "$(uname -s)" = Linux ] || fail "expected Linux, got $(uname -s)"
    case $(uname -m) in
        aarch64 | x86_64) ;;
        armv6l | armv7l) fail "expected a 64-bit system, got $(uname -m): install Raspberry Pi OS (64-bit)" ;;
        *) fail "expected aarch64 or x86_64, got $(uname -m)" ;;
    esac
    [ "$(getconf LONG_BIT)" = 64 ] ||
        fail "expected a 64-bit userland, got 32-bit programs on a 64-bit kernel: install Raspberry Pi OS (64-bit)"
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/glibc //')
    [ -n "$glibc" ] || fail "expected a system with glibc, got another C library"
    dpkg_less "$glibc" 2.27 && fail "expected glibc 2.27 or later, got $glibc"
    if [ -z "$python" ]; then python=$(command -v python3 || true); fi
    [ -n "$python" ] || fail "expected python3, got none: apt install python3 python3-venv"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || fail "expected a working Python, got $python"
    case $version in
        3.10 | 3.11 | 3.12 | 3.13) ;;
        *) fail "expected Python 3.10 to 3.13, got $version: --python names another" ;;
    esac
    [ "$("$python" -c 'import struct; print(struct.calcsize("P"))')" = 8 ] || fail "expected a 64-bit Python, got a 32-bit one"
    if ! has_venv && live && [ -z "$offline" ] && command -v apt-get >/dev/null; then # as on JetPack
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv; } >/dev/null || true
    fi
    has_venv || fail "expected Python with venv, got one without: apt install python3-venv"
    python_version=$version
}

has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

dpkg_less() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -1)" = "$1" ]; }

check_space() { # the environment takes about 420 MB, its wheels as much for a moment
    local there=$prefix free
    while [ ! -e "$there" ]; do there=$(dirname "$there"); done
    free=$(df -Pm "$there" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge 1000 ] || fail "expected 1000 MB free for $prefix, got $free MB"
}

choose_board() { # what the versions of the dependencies are pinned to
    local model='' system release=$root/etc/os-release tree=$root/proc/device-tree/model
    [ -z "$board" ] || return 0
    [ -e "$release" ] || release=/etc/os-release
    [ -e "$tree" ] || tree=/proc/device-tree/model
    # shellcheck source=/dev/null
    system=$(. "$release" && echo "${ID:-} ${VERSION_ID:-}")
    if [ -e "$tree" ]; then model=$(tr -d '\0' <"$tree"); fi
    case "$model; $system" in
        *Raspberry*"debian 12" | *Raspberry*"raspbian 12") board=raspberry-pi-os-12 ;;
        *Raspberry*"debian 13" | *Raspberry*"raspbian 13") board=raspberry-pi-os-13 ;;
        *NVIDIA*"ubuntu 22.04" | *Jetson*"ubuntu 22.04") board=jetpack-6 ;;
        *NVIDIA*"ubuntu 20.04" | *Jetson*"ubuntu 20.04") fail "expected JetPack 6, got JetPack 5 (Ubuntu 20.04)" ;;
        *"debian 12") if [ "$(uname -m)" = x86_64 ]; then board=debian-12-x86-64; else board=none; fi ;;
        *) board=none ;;
    esac
}

choose_constraints() {
    local pinned
    constraints=()
    if [ "$board" = none ]; then
        echo "no versions are pinned for this system: the newest that fit are taken"
        return
    fi
    [ -f "$here/constraints/$board.txt" ] ||
        fail "expected a board out of $(cd "$here/constraints" && echo *.txt | sed 's/\.txt//g'), none, got $board"
    pinned=$(sed -n 's/^# Python \([0-9.]*\),.*/\1/p' "$here/constraints/$board.txt")
    [ "$pinned" = "$python_version" ] || fail "expected Python $pinned for $board, got $python_version: --python, or --board none"
    constraints=(--constraint "$here/constraints/$board.txt")
}

choose_source() { # where the package itself comes from
    index=()
    if [ -z "$offline" ] && compgen -G "$here/wheels/edge_mdda-*.whl" >/dev/null; then offline=$here; fi
    if [ -n "$offline" ]; then
        [ -d "$offline" ] || fail "expected a folder that wheelhouse.sh made, got $offline"
        offline=$(cd "$offline" && pwd)
        compgen -G "$offline/wheels/edge_mdda-*.whl" >/dev/null || fail "expected wheels of edge-mdda in $offline/wheels, got none"
        (cd "$offline" && sha256sum --check --quiet --strict SHA256SUMS) || fail "expected the files of SHA256SUMS, got altered or damaged ones"
        source=$(compgen -G "$offline/wheels/edge_mdda-*.whl" | head -1)
        index=(--no-index --find-links "$offline/wheels")
    elif [ -f "$here/../pyproject.toml" ]; then
        source=$(cd "$here/.." && pwd)
    else
        fail "expected a checkout around $here, or --offline, got neither"
    fi
}

make_version() { # a virtual environment of its own, which nothing refers to until it works
    mkdir -p "$prefix/versions"
    version=$(mktemp -d "$prefix/versions/XXXXXX")
    trap 'rm -rf "$version"; rmdir "$prefix/versions" "$prefix" 2>/dev/null || true' EXIT
    chmod 755 "$version"
    "$python" -m venv "$version"
    PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "$version/bin/python" -m pip install --quiet --only-binary=:all: \
        --no-cache-dir "${index[@]}" "${constraints[@]}" "${source}[signed,serve]" ||
        fail "expected pip to install edge-mdda, got the above: the version before is left as it was"
    "$version/bin/edge-mdda" --version
    # The shipped bundle alone: a damaged one among those installed later must not stand in the way of an upgrade.
    EDGE_MDDA_STORE=$version/none "$version/bin/edge-mdda" model verify
}

switch() { # one rename: a power cut leaves the old version in use, or the new one, which is on the disk by then
    sync -f "$version"
    ln -sfn "versions/$(basename "$version")" "$prefix/next"
    mv -T "$prefix/next" "$prefix/current"
    sync -f "$prefix"
    trap - EXIT
    mkdir -p "$(dirname "$command")"
    ln -sfn "$prefix/current/bin/edge-mdda" "$command" 2>/dev/null || echo "the program is $prefix/current/bin/edge-mdda"
    for old in "$prefix"/versions/*; do
        [ "$old" = "$version" ] || rm -rf "$old"
    done
}

install_service() {
    local systemd=0
    install -D -m 644 "$here/systemd/edge-mdda.sysusers.conf" "$sysusers"
    mkdir -p "$units"
    if live; then systemd=$(systemctl --version | awk 'NR == 1 { print $2 }'); fi
    for each in "$unit" "$serve"; do
        sed "s#/opt/edge-mdda#${prefix}#g" "$here/systemd/$each" >"$units/$each"
        rm -f "$units/$each.d/backoff.conf"
        rmdir "$units/$each.d" 2>/dev/null || true
        if [ "${systemd%%[!0-9]*}" -ge 254 ]; then install -D -m 644 "$here/systemd/backoff.conf" "$units/$each.d/backoff.conf"; fi
    done
    for each in watch serve; do
        [ -e "$config/$each.conf" ] || install -D -m 644 "$here/systemd/$each.conf" "$config/$each.conf"
    done
    mkdir -p "$config/keys" "$models"
    if live; then
        systemd-sysusers "$sysusers"
        systemctl daemon-reload
        systemctl stop "$unit" 2>/dev/null || true
        serving=$(systemctl is-active "$serve" 2>/dev/null || true)
        systemctl stop "$serve" 2>/dev/null || true
    fi
    # Kernels of another version, or of another processor this card was in before, are of no use.
    rm -rf "$cache"
    mkdir -p "$state" "$cache"
    warm=(env "NUMBA_CACHE_DIR=$cache" "$prefix/current/bin/edge-mdda" warmup)
    if live; then
        chown -R edge-mdda:edge-mdda "$state" "$cache"
        runuser -u edge-mdda -- "${warm[@]}"
        systemctl enable --quiet "$unit"
        systemctl restart "$unit" || fail "expected a running service, got a failure: journalctl -u $unit"
        systemctl --no-pager --lines=0 status "$unit"
        if [ "$serving" = active ]; then
            systemctl restart "$serve" || fail "expected a running service, got a failure: journalctl -u $serve"
        fi
    else
        "${warm[@]}"
    fi
}

uninstall() {
    if live && command -v systemctl >/dev/null; then systemctl disable --now --quiet "$unit" "$serve" 2>/dev/null || true; fi
    for each in "$unit" "$serve"; do rm -rf "${units:?}/$each" "${units:?}/$each.d"; done
    rm -rf "$sysusers" "$cache" "$prefix/versions" "$prefix/current" "$prefix/next"
    rmdir "$prefix" 2>/dev/null || true
    if [ "$(readlink "$command" || true)" = "$prefix/current/bin/edge-mdda" ]; then rm -f "$command"; fi
    if live && command -v systemctl >/dev/null; then systemctl daemon-reload; fi
    if [ "$purge" = yes ]; then
        rm -rf "$state" "$config" "$models" "$archive"
        if live && getent passwd edge-mdda >/dev/null; then userdel edge-mdda; fi
    elif [ -e "$state" ] || [ -e "$config" ]; then
        echo "images, reports, models and settings are kept in $state, $archive, $models and $config: --purge removes them"
    fi
    echo "edge-mdda is removed"
}

need_root
if [ "$action" = uninstall ]; then
    uninstall
    exit
fi
say "system"
check_system
choose_board
choose_constraints
choose_source
check_space
if live && ! command -v systemctl >/dev/null; then fail "expected systemd for the service, got none: --no-service"; fi
echo "$(uname -m), Python $python_version, $board"
say "version"
make_version
switch
if [ "$service" = yes ]; then
    say "service"
    install_service
else
    say "kernels"
    "$prefix/current/bin/edge-mdda" warmup
fi
say "done: $command --help"
