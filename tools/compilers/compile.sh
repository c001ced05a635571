#!/bin/sh
# compile.sh FOLDER COMPILER LIST: compiles every shader of LIST with a compiler that setup.sh put into
# FOLDER. COMPILER and what a line of LIST holds, separated by tabs:
#     fxc, dxc-1.8, 1.9, 1.10  HLSL   SOURCE  entry  profile   (cs_5_1 for fxc; cs_6_0, cs_6_6)
#     metal                    MSL    SOURCE                   (clang with declarations, see metal.h)
#     tint                     WGSL   SOURCE  NAME=VALUE…      (values of overrides)
#     spirv                    SPIR-V SOURCE  environment      (spirv-val's; vulkan1.3 if left out)
# Prints `ok SOURCE` or `REFUSED SOURCE` for each line, the compiler's words behind a refusal, indented by
# a tab, and `warning SOURCE: …` for each use before initialisation.
# Exit 0: all compiled; 1: some were refused; 2: nothing could be tried; 3: that compiler is not in FOLDER.
# Without LIST it prints the compiler's name and version, or exits with 3.
set -eu
here=$(dirname "$0") folder=$1 compiler=$2 list=${3:-}

absent() { echo "$compiler is not in $folder${1:+: $1}"; exit 3; }

# Runs a Windows program. What Wine itself has to say is nothing of ours; the drivers speak on stdout.
wine() {
    program=
    for candidate in wine64 /usr/lib/wine/wine64 wine; do
        command -v "$candidate" >/dev/null && { program=$candidate; break; }
    done
    [ -n "$program" ] || absent "no Wine"
    for file in "$@"; do
        case $file in *.exe | *.dll) [ -e "$file" ] || absent "no $file" ;; esac
    done
    # Wine has a d3dcompiler_47 of its own, which is not Microsoft's; and its menus are nobody's business.
    WINEPREFIX=$(cd "$folder" && pwd)/prefix WINEDEBUG=-all \
        WINEDLLOVERRIDES='d3dcompiler_47=n;winemenubuilder.exe=d;mscoree=;mshtml=' "$program" "$@" 2>/dev/null
}

# Compiles one shader after another with a command that takes a file.
each() {
    tab=$(printf '\t') refused=0
    [ -r "$list" ] || { echo "$list cannot be read"; exit 2; }
    while IFS=$tab read -r source more; do
        if said=$("$@" "$source" "$more" 2>&1); then
            echo "ok $source"
            echo "$said" | sed -n "s|^.*warning: .*ninitialized.*|warning $source: &|p"
        else
            refused=1
            printf 'REFUSED %s\n%s\n' "$source" "$said" | sed '1! s/^/\t/'
        fi
    done <"$list"
    exit "$refused"
}

# C++ for OpenCL has MSL's address spaces; the folder `msl` answers MSL's own #include lines. Any clang
# from 14 on will do.
clang=$(command -v clang-19 || command -v clang || true)
metal() {
    "$clang" -x clcpp -cl-std=clc++2021 -cl-no-stdinc -cl-single-precision-constant --target=spir64 -fsyntax-only \
        -Wno-unknown-attributes -Wuninitialized -I "$folder/msl" -include "$here/metal.h" "$1"
}

spirv() { spirv-val --target-env "${2:-vulkan1.3}" "$1"; }

case $compiler in
fxc) wine "$folder/fxc.exe" "$folder/webgpu/dist/win32-x64/d3dcompiler_47.dll" ${list:+"$list"} ;;
dxc-1.8)
    [ -e "$folder/compushady/dxc" ] || absent
    "$folder/compushady/dxc" "$folder/compushady/compushady/backends/libdxcompiler_x86_64.so" ${list:+"$list"}
    ;;
dxc-1.9) wine "$folder/dxc.exe" "$folder/slangpy/dxcompiler.dll" ${list:+"$list"} ;;
dxc-1.10) wine "$folder/dxc.exe" "$folder/webgpu/dist/win32-x64/dxcompiler.dll" ${list:+"$list"} ;;
metal)
    { [ -n "$clang" ] && [ -d "$folder/msl" ]; } || absent
    [ -z "$list" ] || each metal
    "$clang" --version | sed -n '1 s/.*\(clang version [0-9.]*\).*/\1/p'
    ;;
tint)
    { command -v node && [ -d "$folder/webgpu" ]; } >/dev/null || absent
    node "$here/tint.mjs" "$folder/webgpu" ${list:+"$list"} 2>/dev/null
    ;;
spirv)
    command -v spirv-val >/dev/null || absent
    [ -z "$list" ] || each spirv
    spirv-val --version | sed -n '1 s/ unknown hash.*//p'
    ;;
*) echo "unknown compiler: $compiler"; exit 2 ;;
esac
