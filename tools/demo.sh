#!/bin/sh
# Everything from a clean clone to the main job: sets up, builds, and runs `mtpret demo` with the
# arguments given, for example `sh tools/demo.sh --data DIR`.
set -eu
given=$PWD
cd "$(dirname "$0")/.."
sh tools/setup.sh
cargo build --release --locked
target=${CARGO_TARGET_DIR:-$PWD/target}
cd "$given" # so that a relative path among the arguments means what the user meant
exec "$target/release/mtpret" demo "$@"
