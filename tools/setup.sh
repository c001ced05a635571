#!/bin/sh
# Installs what mtpret needs and the machine lacks: a C compiler, which Cargo links with, and,
# where no Vulkan driver answers, Mesa's software Vulkan. Says what it installs; where nothing is
# missing it does nothing and says nothing. Exit 1: something is missing and cannot be installed.
set -eu

say() { echo "setup: $*" >&2; }
stop() { say "$*"; exit 1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Says what is going to be installed, and stops where that cannot be done.
announce() {
    say "$*"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || stop "installing needs root or sudo; as root, run: sh tools/setup.sh"
}

# --- what is there ------------------------------------------------------------------------------

# Vulkan driver manifests, one path a line.
manifests() {
    for manifest in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json \
        /usr/local/share/vulkan/icd.d/*.json; do
        [ ! -e "$manifest" ] || echo "$manifest"
    done
}

loader_present() {
    for library in /usr/lib/libvulkan.so.1 /usr/lib64/libvulkan.so.1 \
        /usr/lib/*-linux-*/libvulkan.so.1 /lib/*-linux-*/libvulkan.so.1 /usr/local/lib/libvulkan.so.1; do
        [ -e "$library" ] && return 0
    done
    return 1
}

# A device node and a manifest that is not of a software driver. Mesa's package brings the manifests
# of all its drivers, so without the node they mean nothing.
gpu_present() {
    for node in /dev/dri/renderD* /dev/nvidia[0-9]* /dev/dxg /dev/mali[0-9]* /dev/kgsl-3d0; do
        [ -e "$node" ] && manifests | grep -qv '/lvp_icd' && return 0
    done
    return 1
}

software_present() { manifests | grep -q '/lvp_icd'; }

# --- what the package managers do ---------------------------------------------------------------

updated=no
apt_update() {
    [ "$updated" = yes ] || as_root apt-get update -qq >&2 || say "apt-get update failed; going on with the lists there are"
    updated=yes
}

apt_install() {
    apt_update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 install -y -qq --no-install-recommends "$@" >&2
}

# Installs the packages, each manager's own names: with_manager APT DNF PACMAN APK ZYPPER.
with_manager() {
    # shellcheck disable=SC2086  # a list of packages is meant to fall apart into words
    if command -v apt-get >/dev/null; then packages=$1; apt_install $1
    elif command -v dnf >/dev/null; then packages=$2; as_root dnf install -y $2 >&2
    elif command -v pacman >/dev/null; then
        packages=$3
        # A machine whose lists were never fetched has nothing installed that they could outrun.
        [ -n "$(ls /var/lib/pacman/sync 2>/dev/null)" ] || as_root pacman -Sy >&2
        as_root pacman -S --needed --noconfirm $3 >&2
    elif command -v apk >/dev/null; then packages=$4; as_root apk add $4 >&2
    elif command -v zypper >/dev/null; then packages=$5; as_root zypper --non-interactive install $5 >&2
    else stop "no package manager known here; install by hand what your system calls: $1"
    fi || say "the package manager failed over: $packages"
}

# --- Debian 12: Mesa 25 from backports ----------------------------------------------------------
# Its own Mesa is 22.3, whose software Vulkan runs these kernels about ten times slower.

is_bookworm() { (. /etc/os-release 2>/dev/null && [ "${ID:-}:${VERSION_CODENAME:-}" = debian:bookworm ]); }

mesa_version() { dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null || true; }

mesa_is_25() { dpkg --compare-versions "$(mesa_version)" ge 25; }

sources() { cat /etc/apt/sources.list /etc/apt/sources.list.d/*"$1" 2>/dev/null || true; }

# The sources that apt has for bookworm itself, written once more for its backports: same mirror,
# same keys, whatever else a stanza or line says. Prints nothing where none is found.
backports_stanzas() {
    sources .sources | awk '
        function flush() {
            if (deb && suite && !off) printf "%s\n", stanza
            stanza = ""; deb = suite = off = 0
        }
        /^[[:space:]]*$/ { flush(); next }
        /^#/ { next }
        /^Types:/ { for (i = 2; i <= NF; i++) if ($i == "deb") deb = 1; $0 = "Types: deb" }
        /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == "bookworm") suite = 1; $0 = "Suites: bookworm-backports" }
        tolower($0) ~ /^enabled:[[:space:]]*(no|false|0)/ { off = 1 }
        { stanza = stanza $0 "\n" }
        END { flush() }'
}
backports_lines() {
    sources .list | awk '
        $1 == "deb" {
            for (i = 2; i < NF; i++) if ($i == "bookworm") { $i = "bookworm-backports"; print; next }
        }'
}

# Adds backports to apt's sources, unless some source names them already.
add_backports() {
    # No `grep -q`: it would leave early and break the pipe under the writers.
    if { sources .sources; sources .list; } | grep -E '^(Suites:|deb ).*bookworm-backports' >/dev/null; then return 0; fi
    found=$(backports_stanzas); file=/etc/apt/sources.list.d/mtpret-backports.sources
    [ -n "$found" ] || { found=$(backports_lines); file=/etc/apt/sources.list.d/mtpret-backports.list; }
    [ -n "$found" ] || { say "apt has no source for bookworm of which to take the mirror for bookworm-backports"; return 1; }
    say "adding bookworm-backports to apt's sources ($file)"
    printf '%s\n' "$found" | as_root tee "$file" >/dev/null
    updated=no
}

# What counts is what is installed in the end: apt-get also fails over packages that are not ours.
bookworm_mesa() {
    if add_backports; then
        apt_install -t bookworm-backports mesa-vulkan-drivers libvulkan1 || true
        if mesa_is_25; then return 0; fi
    fi
    [ -z "${file:-}" ] || as_root rm -f "$file"
    updated=no
    say "bookworm-backports gave no Mesa 25; taking Debian's own Mesa 22.3, about ten times slower"
    apt_install mesa-vulkan-drivers libvulkan1 || true
    [ -n "$(mesa_version)" ] || stop "could not install: mesa-vulkan-drivers libvulkan1"
}

# --- what is missing ----------------------------------------------------------------------------

command -v cargo >/dev/null || stop "cargo is missing; install Rust 1.93 or newer (see rustup.rs), then run this again"

if [ "$(uname -s)" = Darwin ]; then # Metal is part of the system.
    command -v cc >/dev/null || stop "a C compiler is missing; run: xcode-select --install"
    exit 0
fi

if ! command -v cc >/dev/null; then
    announce "no C compiler (cc), which Cargo links with; installing one"
    with_manager "gcc libc6-dev" "gcc" "gcc" "build-base" "gcc"
    command -v cc >/dev/null || stop "could not install a C compiler: $packages"
fi

if loader_present; then
    # A driver that the user names, or a GPU's own, is left as it is.
    [ -z "${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}" ] || exit 0
    if gpu_present; then exit 0; fi
    if software_present; then
        if is_bookworm && [ -n "$(mesa_version)" ] && ! mesa_is_25; then
            announce "the only Vulkan driver is Mesa $(mesa_version), whose software Vulkan is about ten times slower than Mesa 25's; upgrading"
            bookworm_mesa
            say "Mesa is now $(mesa_version)"
        fi
        exit 0
    fi
fi

announce "no Vulkan driver answers; installing Mesa's software Vulkan (a GPU with its own driver is far faster)"
if is_bookworm; then bookworm_mesa
else
    with_manager "mesa-vulkan-drivers libvulkan1" "mesa-vulkan-drivers vulkan-loader" \
        "vulkan-swrast vulkan-icd-loader" "mesa-vulkan-swrast vulkan-loader" "libvulkan_lvp libvulkan1"
fi
if loader_present && { software_present || gpu_present; }; then
    say "Mesa's software Vulkan is installed"
else
    stop "could not install${packages:+: $packages}; no Vulkan driver is found in /usr/share/vulkan/icd.d"
fi
