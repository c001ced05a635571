#!/bin/sh
# macos-check.sh [FOLDER]: compiles mtpret for macOS on Apple's processors as far as that goes without Apple's linker and kit:
# `cargo check`, which finds what does not compile there, Metal's part of wgpu included. What it makes goes into FOLDER
# (target/macos if left out). On a Mac, `cargo build` is what to run.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-$PWD/target/macos}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
triple=aarch64-apple-darwin
say() { echo "macos-check: $*" >&2; }

# A C compiler that knows macOS, for the one dependency that has some C: Zig's, as PyPI carries it.
zig=$folder/zig
[ -d "$zig/ziglang" ] || python3 -m pip install -q --disable-pip-version-check --no-deps --target "$zig" ziglang==0.17.1
printf '#!/bin/sh\nPYTHONPATH=%s exec python3 -m ziglang ar "$@"\n' "'$zig'" >"$folder/ar"
# Zig has its own name for the target.
cat >"$folder/cc" <<END
#!/bin/sh
for argument; do
    shift
    case \$argument in --target=*) ;; *) set -- "\$@" "\$argument" ;; esac
done
PYTHONPATH='$zig' exec python3 -m ziglang cc -target aarch64-macos "\$@"
END
chmod +x "$folder/cc" "$folder/ar"

source=$(sh tools/rust-src.sh $triple "$folder")
export CC_aarch64_apple_darwin="$folder/cc" AR_aarch64_apple_darwin="$folder/ar"
export CARGO_TARGET_DIR="$folder/build" RUSTFLAGS="-D warnings"
from=$(date +%s)
if [ -n "$source" ]; then
    # Cargo knows the source's folder by this name alone, and builds a standard library only for whom it takes as its own.
    RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$source \
        cargo check --release -Zbuild-std=std,panic_abort,panic_unwind --target $triple
else
    cargo check --release --locked --target $triple
fi
say "compiles for $triple, $(($(date +%s) - from)) s"
