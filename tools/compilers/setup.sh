#!/bin/sh
# setup.sh [FOLDER]: gets the compilers of other vendors that check every shader, as far as packages bring
# them to a Linux machine, and puts what is not installed system-wide into FOLDER (target/compilers if left
# out). What is there already is left as it is. Prints a line for each compiler, with its version, or
# `SKIPPED name: reason` where it cannot be had; that is no failure. compile.sh runs them.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../target/compilers}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# Versions are pinned: another compiler may refuse what these accept, and a test should say so only after
# somebody asked it to. npm's `webgpu` brings Dawn with Tint, Microsoft's FXC and a DXC; PyPI's `slangpy`
# another DXC, and `compushady-lrtu` one for Linux.
webgpu=0.6.2
slangpy=0.43.1
compushady=0.18.0

case $(uname -m) in
x86_64) processor=x64 ;;
*) processor=arm64 ;;
esac

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# Installs a Debian package for each command or file that is missing: install THING=PACKAGE…
updated=no
install() {
    missing=
    for pair in "$@"; do
        thing=${pair%%=*}
        [ -e "$thing" ] || command -v "$thing" >/dev/null || missing="$missing ${pair#*=}"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || return 1
    [ "$updated" = yes ] || as_root apt-get update -qq >/dev/null 2>&1 || true
    updated=yes
    # shellcheck disable=SC2086  # a list of packages is meant to fall apart into words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        install -y -qq --no-install-recommends $missing >/dev/null 2>&1
}

# --- what packages bring ------------------------------------------------------------------------

fetch_webgpu() {
    [ "$(cat "$folder/webgpu/version" 2>/dev/null)" != "$webgpu" ] || return 0
    install npm=npm node=nodejs || return 1
    rm -rf "$folder/webgpu" "$folder/download"
    mkdir -p "$folder/webgpu" "$folder/download"
    (cd "$folder/download" && npm pack --silent "webgpu@$webgpu" >/dev/null 2>&1) || return 1
    tar xzf "$folder/download/webgpu-$webgpu.tgz" -C "$folder/webgpu" --strip-components=1 \
        package/index.js package/package.json package/LICENSE.md "package/dist/linux-$processor" package/dist/win32-x64 || return 1
    echo "$webgpu" >"$folder/webgpu/version"
}

# wheel PACKAGE VERSION PLATFORM FILE INTO: of a wheel of PyPI only the compiler is wanted, one FILE, which goes into the folder INTO.
wheel() {
    install python3=python3 || return 1
    python3 -m pip --version >/dev/null 2>&1 || install /usr/lib/python3/dist-packages/pip=python3-pip || return 1
    rm -rf "$folder/download"
    mkdir -p "$folder/download"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --platform "$3" \
        --python-version 3.11 -d "$folder/download" "$1==$2" >/dev/null 2>&1 || return 1
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(*sys.argv[2:])' "$folder"/download/*.whl "$4" "$5"
}

fetch_slangpy() {
    [ "$(cat "$folder/slangpy/version" 2>/dev/null)" != "$slangpy" ] || return 0
    rm -rf "$folder/slangpy"
    wheel slangpy "$slangpy" win_amd64 slangpy/dxcompiler.dll "$folder" || return 1
    echo "$slangpy" >"$folder/slangpy/version"
}

fetch_compushady() {
    [ "$(cat "$folder/compushady/version" 2>/dev/null)" != "$compushady" ] || return 0
    rm -rf "$folder/compushady"
    wheel compushady-lrtu "$compushady" manylinux_2_28_x86_64 compushady/backends/libdxcompiler_x86_64.so "$folder/compushady" ||
        return 1
    cc -O1 -Wall -Wextra -o "$folder/compushady/dxc" "$here/dxc.c" -ldl || return 1
    echo "$compushady" >"$folder/compushady/version"
}

# Wine and the drivers. A prefix of Wine's own making copies hundreds of megabytes of its libraries; one
# whose system folder is a link to them serves a program without windows as well, and starts faster.
prepare_wine() {
    [ -e /usr/lib/wine/wine64 ] || install wine64=wine64 || return 1
    system=
    for candidate in /usr/lib/*/wine/x86_64-windows /usr/lib/wine/x86_64-windows; do
        [ -z "$system" ] && [ -d "$candidate" ] && system=$candidate
    done
    [ -n "$system" ] || return 1
    mkdir -p "$folder/prefix/drive_c/windows"
    echo disable >"$folder/prefix/.update-timestamp"
    ln -sfn "$system" "$folder/prefix/drive_c/windows/system32"
}
build() {
    if [ -e "$folder/$1.exe" ] && [ -z "$(find "$here/$1.c" "$here/list.h" -newer "$folder/$1.exe")" ]; then return 0; fi
    install x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64 || return 1
    x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -o "$folder/$1.exe" "$here/$1.c" -lversion
}

# What MSL includes; what it declares is in metal.h, which is put in front of every shader.
prepare_metal() {
    command -v clang >/dev/null || install clang-19=clang-19 || return 1
    mkdir -p "$folder/msl/simd"
    : >"$folder/msl/metal_stdlib"
    : >"$folder/msl/simd/simd.h"
}

# --- a line for each ----------------------------------------------------------------------------

skipped() { echo "SKIPPED $1: $2"; }

# Prints name and version of a compiler that answers.
report() {
    version=$(sh "$here/compile.sh" "$folder" "$1") && [ -n "$version" ] && { echo "$1: $version"; return; }
    skipped "$1" "it does not start${version:+: $version}"
}

with_wine=yes with_webgpu=yes with_slangpy=yes
[ "$processor" = x64 ] || with_wine="it runs on x86-64 only"
[ "$with_wine" != yes ] || prepare_wine || with_wine="Wine cannot be installed"
fetch_webgpu || with_webgpu="npm's package webgpu $webgpu cannot be had"
fetch_slangpy || with_slangpy="PyPI's package slangpy $slangpy cannot be had"

# windows NAME DRIVER PACKAGE: a DLL, given what became of its package.
windows() {
    if [ "$with_wine" != yes ]; then skipped "$1" "$with_wine"
    elif [ "$3" != yes ]; then skipped "$1" "$3"
    elif ! build "$2"; then skipped "$1" "its driver cannot be built"
    else report "$1"
    fi
}
# The tests read there what cannot be had.
{
    windows fxc fxc "$with_webgpu"
    if [ "$processor" != x64 ]; then skipped dxc-1.8 "its package is for x86-64 only"
    elif fetch_compushady; then report dxc-1.8
    else skipped dxc-1.8 "PyPI's package compushady-lrtu $compushady cannot be had"
    fi
    windows dxc-1.9 dxc "$with_slangpy"
    windows dxc-1.10 dxc "$with_webgpu"
    if [ "$with_webgpu" = yes ]; then report tint; else skipped tint "$with_webgpu"; fi
    if prepare_metal; then report metal; else skipped metal "no clang can be installed"; fi
    if install spirv-val=spirv-tools; then report spirv; else skipped spirv "spirv-tools cannot be installed"; fi
    layer=/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
    if install "$layer=vulkan-validationlayers"; then
        echo "validation layer: $(sed -n 's/.*"api_version": "\(.*\)".*/\1/p' "$layer" | head -n 1)"
    else
        skipped "validation layer" "vulkan-validationlayers cannot be installed"
    fi
} | tee "$folder/versions"
rm -rf "$folder/download"
