#!/bin/sh
# windows.sh [FOLDER]: builds the Windows program, mtpret.exe, on Linux, runs it under Wine, and holds what it computes
# to the Linux program. What it makes goes into FOLDER (target/windows if left out), figures into FOLDER/figures.
# Needs Debian 12 or newer on x86-64, and half an hour of two cores the first time: for releases, not for every commit.
#
# Wine's DX12 is a translation to Vulkan that knows shader model 5.1, so FXC compiles; DXC is judged by
# tools/compilers. What this cannot show: Microsoft's own DX12, its drivers, its consoles.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/target/windows}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
figures=$folder/figures
mkdir -p "$figures"
cd "$root"
triple=x86_64-pc-windows-gnu
linux=$root/target/release/mtpret
windows=$folder/build/$triple/release/mtpret.exe

say() { echo "windows: $*" >&2; }
stop() { say "$*"; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# --- what it takes ------------------------------------------------------------------------------

setup() {
    missing=
    for pair in x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64 /usr/lib/wine/wine64=wine64 Xvfb=xvfb; do
        thing=${pair%%=*}
        [ -e "$thing" ] || command -v "$thing" >/dev/null || missing="$missing ${pair#*=}"
    done
    if [ -n "$missing" ]; then
        say "installing$missing"
        as_root apt-get update -qq >&2
        # shellcheck disable=SC2086  # a list of packages is meant to fall apart into words
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
    fi
    sh tools/setup.sh
    sh tools/compilers/setup.sh "$folder/compilers" | grep '^fxc\|^SKIPPED fxc' >&2
    [ -e "$fxc" ] || stop "Microsoft's FXC, d3dcompiler_47.dll, could not be fetched: tools/compilers/setup.sh says why"
}
fxc=$folder/compilers/webgpu/dist/win32-x64/d3dcompiler_47.dll

build() {
    say "building mtpret for Linux"
    CARGO_TARGET_DIR=$root/target cargo build --release --locked
    say "building mtpret for Windows, half an hour the first time"
    from=$(date +%s)
    source=$(sh tools/rust-src.sh $triple "$folder")
    if [ -n "$source" ]; then
        # Cargo knows the source's folder by this name alone, and builds a standard library only for whom it takes as its own.
        RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$source CARGO_TARGET_DIR=$folder/build \
            cargo build --release -Zbuild-std=std,panic_abort,panic_unwind --target $triple
    else
        CARGO_TARGET_DIR=$folder/build cargo build --release --locked --target $triple
    fi
    say "built in $(($(date +%s) - from)) s: $(stat -c %s "$windows") bytes"
}

# --- what is run --------------------------------------------------------------------------------

# A Windows of Wine's own making, with a screen that nobody sees: Wine finds Vulkan through its window system.
begin() {
    wine=$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)
    WINEPREFIX=$folder/wine WINEDEBUG=-all WINEARCH=win64
    # FXC is Microsoft's, not Wine's own; menus, .NET and HTML are nobody's business.
    WINEDLLOVERRIDES='d3dcompiler_47=n;winemenubuilder.exe=d;mscoree=;mshtml='
    export WINEPREFIX WINEDEBUG WINEARCH WINEDLLOVERRIDES
    Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp 3>"$folder/display" 2>/dev/null &
    screen=$!
    trap 'end' EXIT
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s "$folder/display" ] || sleep 1; done
    DISPLAY=:$(cat "$folder/display")
    export DISPLAY
    "$wine" wineboot -i >/dev/null 2>&1 || stop "Wine cannot make its Windows in $WINEPREFIX"
    mkdir -p "$folder/program"
    cp "$windows" "$folder/program/mtpret.exe"
    cp "$fxc" "$folder/program/"
    # Rust takes random numbers from a library that Wine has from 9.0 on.
    [ -n "$(find /usr/lib/*/wine /usr/lib/wine -name bcryptprimitives.dll 2>/dev/null)" ] ||
        x86_64-w64-mingw32-gcc -shared -O1 -o "$folder/program/bcryptprimitives.dll" -xc - -ladvapi32 <<'C'
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return RtlGenRandom(data, (ULONG)length); }
C
}
end() {
    "$wine"server -k 2>/dev/null || wineserver -k 2>/dev/null || true
    kill "$screen" 2>/dev/null || true
}
mtpret() { "$wine" "$folder/program/mtpret.exe" "$@"; }

# check NAME COMMAND…: runs it, and says how it ended.
check() {
    name=$1; shift
    from=$(date +%s)
    "$@" >"$folder/said" 2>&1 || { cat "$folder/said" >&2; stop "$name: FAILED"; }
    say "$name: ok, $(($(date +%s) - from)) s"
}

# --- what is held -------------------------------------------------------------------------------

# Films under names that are no ASCII.
films="films of Röntgen"
settings="--set data.width=64 --set data.height=64 --set epochs=2 --set log.save_every=5"

# finetune PROGRAM RUN ARGUMENT…: ResNet-18 on the films, small.
finetune() {
    program=$1 run=$2; shift 2
    # shellcheck disable=SC2086  # settings are meant to fall apart into words
    "$program" finetune finetune/resnet18 --data "$films" --run "$run" $settings "$@"
}

# Both runs' weights, without what their files say of paths and times; and what they predict.
same() {
    python3 - "$1" "$2" <<'PY'
import sys, pathlib
def tensors(run):
    file = (pathlib.Path(run) / "weights.safetensors").read_bytes()
    return file[8 + int.from_bytes(file[:8], "little"):]
def text(run, name):
    return (pathlib.Path(run) / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\\", b"/")
a, b = sys.argv[1:]
assert tensors(a) == tensors(b), f"the weights of {a} and {b} differ"
assert text(a, "scores.json") == text(b, "scores.json"), f"the scores of {a} and {b} differ"
PY
}

# A second process is refused while the first trains; Ctrl-C saves and ends with 130; --resume goes on.
interrupted() {
    run=$1; shift
    finetune mtpret "$run" "$@" >"$folder/interrupted" 2>&1 &
    process=$!
    for _ in $(seq 120); do ! grep -q '"step"' "$run/metrics.jsonl" 2>/dev/null || break; sleep 1; done
    ! mtpret finetune --resume "$run" "$@" >"$folder/second" 2>&1 || { echo "a second process was let into $run"; return 1; }
    grep -i 'process' "$folder/second" || { cat "$folder/second"; return 1; }
    kill -INT $process
    status=0; wait $process || status=$?
    [ $status = 130 ] || { cat "$folder/interrupted"; echo "Ctrl-C ended the run with $status, not 130"; return 1; }
    ! [ -e "$run/weights.safetensors" ] || { echo "the run was over before Ctrl-C"; return 1; }
    mtpret finetune --resume "$run" "$@"
}

# What a console shows: a bar that moves, in the characters that it is made of.
console() {
    run=$1; shift
    script -qec "'$wine' '$folder/program/mtpret.exe' finetune finetune/resnet18 --data '$films' --run '$run' $settings --set epochs=1 $*" \
        "$folder/console" </dev/null >/dev/null
    grep -q '━\|█\|eta\|ETA\|left' "$folder/console"
}

# number BACKEND: of the adapter of that backend, as doctor tells.
number() {
    python3 -c 'import json, sys
for a in json.load(open(sys.argv[1], encoding="utf-8"))["adapters"]:
    if a["backend"].lower() == sys.argv[2]: print(a["number"]); break' "$figures/doctor.json" "$1"
}

doctor() {
    mtpret doctor --json >"$figures/doctor.json" 2>"$folder/doctor.err"
}

begin_runs() {
    rm -rf "$folder/runs"
    mkdir -p "$folder/runs/$films"
    cp -r "$root/tests/data/sample/chest_xray" "$folder/runs/$films/"
    cd "$folder/runs"
}

all() {
    check "doctor, every adapter" doctor
    vulkan=$(number vulkan) dx12=$(number dx12)
    begin_runs
    check "fine-tuning, Linux" finetune "$linux" linux
    check "fine-tuning, Windows, Vulkan" finetune mtpret windows --adapter "$vulkan"
    check "Windows' weights and scores are Linux's, bit for bit" same linux windows
    check "a second process, Ctrl-C, going on" interrupted stopped --adapter "$vulkan"
    check "a run gone on with is the one not stopped, bit for bit" same linux stopped
    check "predict" mtpret predict windows "$films/chest_xray/test" -o predictions.csv --overlays seen
    check "explain" mtpret explain windows
    check "report" mtpret report windows
    deep=$(printf 'a folder whose name is as long as people make them who describe their study in it/%.0s' 1 2 3 4)
    check "a path of ${#deep} letters" finetune mtpret "${deep}run" --adapter "$vulkan"
    check "a console's progress" console seen-on-console --adapter "$vulkan"
    [ -z "$dx12" ] || check "fine-tuning, Windows, DX12" finetune mtpret direct --adapter "$dx12"
}

setup
build
begin
all
say "all ok; figures in $figures"
