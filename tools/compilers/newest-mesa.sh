#!/bin/sh
# newest-mesa.sh FOLDER COMMAND…: runs a program on the newest Mesa that Debian's backports offer, in a Debian of its own below
# FOLDER, which mmdebstrap makes. Exit 3: that cannot be had here; else the program's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd) program=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
shift 2
suite=trixie debian=$folder/$suite

absent() { echo "newest Mesa: SKIPPED, $*" >&2; exit 3; }
[ "$(id -u)" = 0 ] || absent "a root of its own needs root"
command -v apt-get >/dev/null || absent "there is no apt-get here"
if ! [ -e "$debian/usr/share/vulkan/icd.d/lvp_icd.json" ]; then
    command -v mmdebstrap >/dev/null ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap >/dev/null 2>&1 ||
        absent "mmdebstrap cannot be installed"
    mirror=$(sh "$here/../debian-mirror.sh") || absent "apt has no mirror of Debian"
    rm -rf "$debian"
    mmdebstrap --quiet --variant=apt --include=libvulkan1 --customize-hook="chroot \"\$1\" apt-get install -y -qq \
        --no-install-recommends -t $suite-backports mesa-vulkan-drivers >/dev/null" $suite "$debian" \
        "deb $mirror $suite main" "deb $mirror $suite-backports main" >&2 || absent "Debian $suite cannot be fetched"
fi
mkdir -p "$debian/program"
cp "$program" "$debian/program/"
exec unshare --mount sh -eu -c '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    root=$1; shift
    exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root "$@"
' in "$debian" "/program/$(basename "$program")" "$@"
