#!/bin/sh
# gpu.sh OUT [OPTION…]: what one does when a GPU is at hand for ten minutes. Builds the program, then writes into the folder OUT:
# doctor.json (every op in every variant), results.json and page.html (training steps of every network, tuned, and kernels; what
# tells most comes first, and all is written after each step) and loader.json (films that the processor decodes). Where python3, or
# the PYTHON named, has PyTorch, the same steps of PyTorch run between ours. Options go to `mtpret bench all`: --minutes, --adapter.
# docs/platforms.md says how to send the result.
set -eu
[ $# -gt 0 ] || { echo "usage: sh tools/gpu.sh OUT [OPTION…], for example sh tools/gpu.sh my-gpu --minutes 10" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
[ -n "${MTPRET:-}" ] || { cargo build --release --locked; MTPRET=target/release/mtpret; }
python=${PYTHON:-python3}
if "$python" -c 'import torch, torchvision' 2>/dev/null; then
    set -- --torch "$python" "$@"
else
    echo "gpu.sh: $python has no torch and torchvision: nothing is compared with PyTorch" >&2
fi
# A kernel that is wrong or refused is a finding: what the others reach is measured all the same.
"$MTPRET" doctor --json >"$out/doctor.json" || echo "gpu.sh: doctor found faults: $out/doctor.json" >&2
"$MTPRET" bench all "$out" "$@"
"$MTPRET" bench loader --json >"$out/loader.json"
