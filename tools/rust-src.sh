#!/bin/sh
# rust-src.sh TRIPLE FOLDER: what a build for another system needs of Rust's standard library. Prints nothing where rustup installed
# the library for that triple; else the folder of the library's source, for `cargo -Zbuild-std`: rustup's, or Debian's package
# rust-src, unpacked into FOLDER. It must be of rustc's own version; exit 1 where nobody offers that.
set -eu
mkdir -p "$2"
triple=$1 folder=$(cd "$2" && pwd)
say() { echo "rust-src: $*" >&2; }

sysroot=$(rustc --print sysroot)
! [ -d "$sysroot/lib/rustlib/$triple/lib" ] || exit 0
source=$sysroot/lib/rustlib/src/rust/library
! [ -d "$source" ] || { echo "$source"; exit 0; }
version=$(rustc --version | cut -d ' ' -f 2)
source=$folder/rust-src/usr/src/rustc-$version/library
! [ -d "$source" ] || { echo "$source"; exit 0; }

mend="install it with: rustup target add $triple"
command -v apt-get >/dev/null || { say "Rust's standard library for $triple is missing; $mend"; exit 1; }
apt=$folder/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$folder/rust-src"
# Debian's newer suites carry several versions; the mirror is the one that apt has.
mirror=$(sh "$(dirname "$0")/debian-mirror.sh") || { say "apt has no mirror of Debian, which could bring rust-src $version; $mend"; exit 1; }
for suite in trixie-backports forky sid; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$apt/sources.list"
# Lists of its own, so that the system's are left as they are.
apt() {
    program=$1; shift
    "$program" -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Sandbox::User=root "$@"
}
apt apt-get update -qq >&2 || say "not every list of Debian's newer suites could be fetched"
package=$(apt apt-cache madison rust-src | cut -d '|' -f 2 | tr -d ' ' | grep "^$version+" | head -n 1)
[ -n "$package" ] || { say "no suite of Debian has rust-src $version, rustc's own version; $mend"; exit 1; }
say "fetching Rust's source, rust-src $package"
(cd "$folder/rust-src" && apt apt-get download -qq "rust-src=$package" >&2 && dpkg-deb -x rust-src_*.deb . && rm rust-src_*.deb)
[ -d "$source" ] || { say "rust-src $package brings no $source"; exit 1; }
echo "$source"
