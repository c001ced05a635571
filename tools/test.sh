#!/bin/sh
# Everything that is tested, from a clean clone: sets up, then format, dependencies, lints, documentation, the test suite (the
# program's pages in a headless Chromium too), and `mtpret doctor` on SwiftShader, a second Vulkan driver with another compiler.
# One profile throughout, so that wgpu is compiled once. Stops at the first part that fails.
#
# `sh tools/test.sh --all` runs what takes long too: 200 random shapes of every op in place of 20, 2,000 damaged files of every
# format in place of 60, the tests that are marked as ignored (other vendors' compilers among them, as far as packages bring
# them, and AMD's, whose figures are held to budgets), the README's demo, every command of docs/, `mtpret doctor` on the default
# driver, whose kernels the test suite has already judged, and on the newest Mesa, and doctor and the tests of the stages under
# Vulkan's validation layer.
set -eu
all=0
case ${1-} in
    '') ;;
    --all) all=1 ;;
    *) echo "usage: sh tools/test.sh [--all]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mtpret=$target/release/mtpret

say() { echo "test: $*" >&2; }

# Runs one part under its name and says how long it took.
started=$(date +%s)
part() {
    name=$1; shift
    from=$(date +%s)
    "$@" || { say "$name FAILED after $(($(date +%s) - from)) s"; exit 1; }
    say "$name: ok, $(($(date +%s) - from)) s"
}

# SwiftShader's manifest; Chromium's packages carry it beside the browser.
swiftshader() {
    for folder in /usr/lib/chromium /usr/lib/chromium-browser /usr/lib64/chromium-browser \
        /usr/lib64/chromium /opt/google/chrome; do
        manifest=$folder/vk_swiftshader_icd.json
        [ ! -e "$manifest" ] || { echo "$manifest"; return 0; }
    done
    return 1
}

# Ubuntu's chromium package is only a pointer to a snap, which carries no manifest that we could use.
apt_offers_chromium() {
    command -v apt-get >/dev/null || return 1
    candidate=$(apt-cache policy chromium 2>/dev/null | sed -n 's/^ *Candidate: //p')
    case $candidate in '' | '(none)' | *snap*) return 1 ;; esac
}

install_swiftshader() {
    [ "$(uname -s)" = Linux ] || return 0
    if swiftshader >/dev/null; then return 0; fi
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    if command -v apt-get >/dev/null && ! apt_offers_chromium; then $sudo apt-get update -q >&2 || true; fi
    if ! apt_offers_chromium; then return 0; fi
    say "installing chromium, which carries SwiftShader, the second Vulkan driver of the tests"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
        install -y -q --no-install-recommends chromium >&2 ||
        say "chromium could not be installed"
}

# axe-core, which finds on the program's pages what shuts people out, from the npm registry or from a package of PyPI that carries
# it. It is kept beside what is built, and goes into nothing that is shipped.
fetch_axe() {
    axe=$target/axe
    [ ! -s "$axe/axe.min.js" ] || return 0
    mkdir -p "$axe"
    if command -v npm >/dev/null && (cd "$axe" && npm pack --silent axe-core@4.14.1 >/dev/null); then
        tar -xzf "$axe/axe-core-4.14.1.tgz" -C "$axe" package/axe.min.js && mv "$axe/package/axe.min.js" "$axe/"
    elif command -v python3 >/dev/null &&
        python3 -m pip download -q --no-deps -d "$axe" axe-playwright-python==0.1.8 >&2; then
        (cd "$axe" && python3 -m zipfile -e ./*.whl . && mv axe_playwright_python/axe.min.js .)
    else
        say "axe-core could not be fetched: pages are looked at without it"
    fi
}

# Pages must be looked at where there is a browser and axe-core.
test_suite() {
    pages=0
    if chromium --version >/dev/null 2>&1 && [ -s "$target/axe/axe.min.js" ]; then pages=1; fi
    shapes=20 damaged=60 ignored=
    [ $all = 0 ] || { shapes=200; damaged=2000; ignored="--include-ignored --skip a_page_of_ones_own"; }
    cargo test --release --locked --workspace --no-run 2>"$target/tests.built" || { cat "$target/tests.built" >&2; return 1; }
    : >"$target/tests.times"
    # Each program by itself, since only libtest can tell how long a test took, and only so.
    for program in $(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' "$target/tests.built"); do
        MTPRET_PAGES=$pages MTPRET_SHAPES=$shapes MTPRET_FUZZ=$damaged MTPRET_ALL=$all RUSTC_BOOTSTRAP=1 \
            "$program" -Z unstable-options --report-time $ignored >"$target/tests.out" 2>&1 ||
            { cat "$target/tests.out" >&2; return 1; }
        grep -v '^test .* ok <' "$target/tests.out" || true
        sed -n 's/^test \(.*\) \.\.\. ok <\(.*\)s>$/\2 s  \1/p' "$target/tests.out" >>"$target/tests.times"
    done
    say "$(wc -l <"$target/tests.times") tests; the ten slowest:"
    sort -rn "$target/tests.times" | head -n 10 >&2
    cargo test --release --locked --workspace --doc
}

# Every kernel, and steps of each stage on each kind of task, under the validation layer with its check of synchronisation.
validated() {
    layer=/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
    [ -e "$layer" ] || { say "validation layer: SKIPPED, it is not installed"; return 0; }
    app=$(sed -n 's/^ *Executable tests\/app.*(\(.*\))$/\1/p' "$target/tests.built")
    # The layer's own word that it is there must be enough to fail.
    ! REPORT=error,warn,info sh tools/compilers/validate.sh "$mtpret" doctor --only relu >/dev/null || return 1
    sh tools/compilers/validate.sh "$mtpret" doctor &&
        sh tools/compilers/validate.sh "$app" --include-ignored training::kinds training::stages
}

# The newest Mesa that Debian's backports offer; skipped by name where it cannot be had.
newest_mesa() {
    status=0
    sh tools/compilers/newest-mesa.sh "$target/compilers/mesa" "$mtpret" doctor || status=$?
    [ "$status" = 3 ] || return "$status"
}

documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps
}

part "set-up" sh tools/setup.sh
part "second driver" install_swiftshader
part "axe-core" fetch_axe
part "format" cargo fmt --check
part "dependencies" sh tools/deny.sh
part "lints" cargo clippy --release --locked --workspace --all-targets -- -D warnings
part "documentation" documentation
[ $all = 0 ] || part "other vendors' compilers" sh tools/compilers/setup.sh "$target/compilers"
part "test suite" test_suite
[ $all = 0 ] || part "doctor, default driver" "$mtpret" doctor
[ $all = 0 ] || part "doctor, newest Mesa" newest_mesa
[ $all = 0 ] || part "validation layer" validated
if manifest=$(swiftshader); then
    part "doctor, SwiftShader" env VK_ICD_FILENAMES="$manifest" VK_DRIVER_FILES="$manifest" "$mtpret" doctor
else
    say "doctor, SwiftShader: SKIPPED, no package here brings SwiftShader (vk_swiftshader_icd.json)"
fi
say "all ok, $(($(date +%s) - started)) s"
