#!/bin/sh
# windows.sh [FOLDER]: builds the Windows program, mtpret.exe, on Linux, runs it under Wine and holds what it computes to the
# Linux program (under-wine.sh). What it makes goes into FOLDER (target/windows if left out), figures into FOLDER/figures.
# For releases, not for every commit: five minutes to half an hour to build, and ten to run. Needs a Debian with apt on x86-64, and
# root or sudo.
#
# Wine's DX12 is a translation to Vulkan that knows shader model 5.1, so FXC compiles; DXC is judged by tools/compilers. What
# this cannot show: Microsoft's own DX12, its drivers and consoles.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/target/windows}
mkdir -p "$folder/figures" "$folder/program"
folder=$(cd "$folder" && pwd)
cd "$root"
triple=x86_64-pc-windows-gnu

say() { echo "windows: $*" >&2; }
stop() { say "$*"; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# --- what it takes ------------------------------------------------------------------------------

missing=
for pair in x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64 mmdebstrap=mmdebstrap; do
    command -v "${pair%%=*}" >/dev/null || missing="$missing ${pair#*=}"
done
if [ -n "$missing" ]; then
    say "installing$missing"
    as_root apt-get update -qq >&2
    # shellcheck disable=SC2086  # a list of packages is meant to fall apart into words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
fi
sh tools/setup.sh
sh tools/compilers/setup.sh "$folder/compilers" >"$folder/compilers.txt"
fxc=$folder/compilers/webgpu/dist/win32-x64/d3dcompiler_47.dll
[ -e "$fxc" ] || stop "Microsoft's FXC, d3dcompiler_47.dll, could not be fetched: $(grep fxc "$folder/compilers.txt")"

# Wine 10 and its drivers, in a Debian 13 of their own: under DX12, the Wine 8 of Debian 12 fills the machine's memory, and it
# lacks the library that Rust takes random numbers from.
debian=$folder/debian
if ! [ -e "$debian/usr/lib/wine/wine64" ]; then
    mirror=$(sh tools/debian-mirror.sh) || stop "apt has no mirror of Debian, which could bring Wine 10"
    say "fetching Wine 10 and Mesa into $debian"
    as_root rm -rf "$debian"
    as_root mmdebstrap --quiet --variant=apt --include=wine64,xvfb,libvulkan1,mesa-vulkan-drivers,python3-minimal,bsdutils \
        trixie "$debian" "$mirror" >&2
fi
as_root mkdir -p "$debian/source" "$debian/folder"

# --- the two programs ---------------------------------------------------------------------------

say "building mtpret for Linux"
CARGO_TARGET_DIR=$root/target cargo build --release --locked
say "building mtpret for Windows"
from=$(date +%s)
source=$(sh tools/rust-src.sh $triple "$folder")
if [ -n "$source" ]; then
    # Cargo knows the source's folder by this name alone, and builds a standard library only for whom it takes as its own.
    RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$source CARGO_TARGET_DIR=$folder/build \
        cargo build --release -Zbuild-std=std,panic_abort,panic_unwind --target $triple
else
    CARGO_TARGET_DIR=$folder/build cargo build --release --locked --target $triple
fi
say "built in $(($(date +%s) - from)) s"
cp "$root/target/release/mtpret" "$fxc" "$folder/build/$triple/release/mtpret.exe" "$folder/program/"

# --- what is run --------------------------------------------------------------------------------

# What is mounted in there is gone when this ends, whatever happens.
as_root unshare --mount --pid --fork --kill-child sh -eu -c '
    mount --bind "$1" "$3/source"
    mount --bind "$2" "$3/folder"
    mount -t proc proc "$3/proc"
    mount --rbind /dev "$3/dev"
    exec chroot "$3" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LC_ALL=C.UTF-8 sh /source/tools/under-wine.sh
' mounts "$root" "$folder" "$debian"
say "all ok; figures in $folder/figures"
