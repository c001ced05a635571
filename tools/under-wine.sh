#!/bin/sh
# under-wine.sh: runs the Windows program under Wine and holds it to the Linux program. tools/windows.sh built both into
# /folder/program and starts this in a Debian of its own, with the sources in /source.
set -eu
linux=/folder/program/mtpret
wine=/usr/lib/wine/wine64

say() { echo "windows: $*" >&2; }
stop() { say "$*"; exit 1; }

# Wine finds Vulkan through its window system, so it gets a screen that nobody sees. FXC is Microsoft's, not Wine's own; menus,
# .NET and HTML are nobody's business.
export WINEPREFIX=/folder/wine WINEDEBUG=-all VKD3D_DEBUG=none XDG_RUNTIME_DIR=/tmp
export WINEDLLOVERRIDES='d3dcompiler_47=n;winemenubuilder.exe=d;mscoree=;mshtml='
rm -f /tmp/display
Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp 3>/tmp/display 2>/dev/null &
for _ in $(seq 30); do [ -s /tmp/display ] || sleep 1; done
[ -s /tmp/display ] || stop "Xvfb gives no screen"
DISPLAY=:$(cat /tmp/display)
export DISPLAY
$wine wineboot -i >/dev/null 2>&1 || stop "Wine cannot make its Windows in $WINEPREFIX"
mtpret() { "$wine" /folder/program/mtpret.exe "$@"; }

# check NAME COMMAND…: runs it, and says how it ended.
check() {
    name=$1; shift
    from=$(date +%s)
    "$@" >/tmp/said 2>&1 || { cat /tmp/said >&2; stop "$name: FAILED after $(($(date +%s) - from)) s"; }
    say "$name: ok, $(($(date +%s) - from)) s"
}

# --- what is held -------------------------------------------------------------------------------

doctor() { mtpret doctor --json >/folder/figures/doctor.json; }

# number BACKEND: of the adapter of that backend, as doctor tells.
number() {
    python3 -c 'import json, sys
for a in json.load(open("/folder/figures/doctor.json", encoding="utf-8"))["adapters"]:
    if a["backend"].lower() == sys.argv[1]: print(a["number"]); break' "$1"
}

# Films under names that are not ASCII.
films="films of Röntgen"
settings="--set data.width=64 --set data.height=64 --set epochs=2 --set log.save_every=5"

# finetune PROGRAM RUN ARGUMENT…: ResNet-18 on the films, small.
finetune() {
    program=$1 run=$2; shift 2
    # shellcheck disable=SC2086  # settings are meant to fall apart into words
    "$program" finetune finetune/resnet18 --data "$films" --run "$run" $settings "$@"
}

# Both runs' weights, without what their files say of paths and times; and their scores.
same() {
    python3 - "$1" "$2" <<'PY'
import sys, pathlib
def tensors(run):
    file = (pathlib.Path(run) / "weights.safetensors").read_bytes()
    return file[8 + int.from_bytes(file[:8], "little"):]
def scores(run):
    return (pathlib.Path(run) / "scores.json").read_bytes()
a, b = sys.argv[1:]
assert tensors(a) == tensors(b), f"the weights of {a} and {b} differ"
assert scores(a) == scores(b), f"the scores of {a} and {b} differ"
PY
}

# A second process is refused while the first trains; Ctrl-C saves and ends with 130; --resume goes on.
interrupted() {
    run=$1; shift
    # Not as a function: the signal is the program's own, not a shell's around it.
    # shellcheck disable=SC2086  # settings are meant to fall apart into words
    "$wine" /folder/program/mtpret.exe finetune finetune/resnet18 --data "$films" --run "$run" $settings "$@" >/tmp/interrupted 2>&1 &
    process=$!
    for _ in $(seq 120); do ! grep -q '"step"' "$run/metrics.jsonl" 2>/dev/null || break; sleep 1; done
    ! mtpret finetune --resume "$run" "$@" >/tmp/second 2>&1 || { echo "a second process was let into $run"; return 1; }
    grep 'for this process alone' /tmp/second || { cat /tmp/second; return 1; }
    kill -INT $process
    status=0; wait $process || status=$?
    [ $status = 130 ] || { cat /tmp/interrupted; echo "Ctrl-C ended the run with $status, not 130"; return 1; }
    ! [ -e "$run/weights.safetensors" ] || { echo "the run was over before Ctrl-C"; return 1; }
    mtpret finetune --resume "$run" "$@"
}

# What a console shows while a run goes on: a bar of characters that are not ASCII, written over and over, which output into a
# file has not, with the time that is left.
console() {
    run=$1; shift
    script -qec "stty cols 160; '$wine' /folder/program/mtpret.exe finetune finetune/resnet18 --data '$films' --run '$run' $settings $*" \
        /tmp/console </dev/null >/dev/null && grep -q '█.*ETA' /tmp/console && [ "$(grep -o '█.\?' /tmp/console | wc -l)" -gt 20 ]
}

# predictions PROGRAM RUN FILE ARGUMENT…: a row a film of a folder, whatever separates the parts of a path.
predictions() {
    program=$1 run=$2 into=$3; shift 3
    "$program" predict "$run" "$films/chest_xray/test/PNEUMONIA" -o "$into" "$@" && tr '\\' / <"$into" >"$into.spelt"
}

check "doctor, every adapter" doctor
vulkan=$(number vulkan) dx12=$(number dx12)
[ -n "$vulkan" ] || stop "doctor lists no Vulkan adapter"
[ -n "$dx12" ] || stop "doctor lists no DX12 adapter"
rm -rf /folder/runs
mkdir -p "/folder/runs/$films"
cp -r /source/tests/data/sample/chest_xray "/folder/runs/$films/"
cd /folder/runs
check "fine-tuning, Linux" finetune "$linux" linux
check "fine-tuning, Windows, Vulkan" finetune mtpret windows --adapter "$vulkan"
check "Windows' weights and scores are Linux's, bit for bit" same linux windows
check "a second process, Ctrl-C, going on" interrupted stopped --adapter "$vulkan"
check "a run gone on with is the one not stopped, bit for bit" same linux stopped
check "predictions, Linux" predictions "$linux" linux linux.csv
check "predictions, Windows" predictions mtpret windows windows.csv --adapter "$vulkan"
check "Windows' predictions are Linux's" cmp linux.csv.spelt windows.csv.spelt
check "explain" mtpret explain windows
check "report" mtpret report windows
deep=$(printf 'a folder whose name is as long as people make them who say all of their study in it/%.0s' 1 2 3 4)
check "a path of ${#deep} letters" finetune mtpret "${deep}run" --adapter "$vulkan"
check "a console's progress" console seen-on-console --adapter "$vulkan"
# Kernels for a GPU on a translated software adapter take their time.
check "fine-tuning, Windows, DX12" finetune mtpret direct --adapter "$dx12" --set data.width=32 --set data.height=32 --set epochs=1
/usr/lib/wine/wineserver64 -k
