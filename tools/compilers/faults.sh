#!/bin/sh
# faults.sh FOLDER: gives each compiler in FOLDER a shader that it has to refuse or to warn of, for a gate
# that nothing is stopped by is none. Prints what is wrong; exit 1: some fault was not found.
set -eu
here=$(dirname "$0") folder=$1 failed=0
list=$(mktemp)
trap 'rm -f "$list"' EXIT

# expect COMPILER ANSWER FILE [COLUMN]…: the answer to a file begins with a word.
expect() {
    compiler=$1 answer=$2 file=$here/faults/$3
    shift 3
    (IFS=$(printf '\t'); echo "$file${*:+$IFS$*}") >"$list"
    said=$(sh "$here/compile.sh" "$folder" "$compiler" "$list") && status=0 || status=$?
    [ "$status" = 3 ] && return
    echo "$said" | grep -q "^$answer $file" || { echo "$compiler: no $answer for $file: $said"; failed=1; }
}

expect fxc REFUSED component.hlsl main cs_5_1
expect fxc ok namespace.hlsl main cs_5_1
expect fxc warning uninitialised.hlsl main cs_5_1
for dxc in dxc-1.8 dxc-1.9 dxc-1.10; do
    # Before 1.9 DXC had no namespace `dx`.
    refused=namespace.hlsl
    [ $dxc != dxc-1.8 ] || refused=space.metal
    for profile in cs_6_0 cs_6_6; do
        expect $dxc REFUSED $refused main $profile
        expect $dxc ok component.hlsl main $profile
        expect $dxc warning uninitialised.hlsl main $profile
    done
done
expect metal REFUSED space.metal
expect tint REFUSED uniform.wgsl
expect spirv REFUSED uniform.wgsl # It is no SPIR-V at all.
exit "$failed"
