#!/bin/sh
# debian-mirror.sh: prints the mirror of Debian that apt has; exit 1 where it has none.
apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m 1 '/debian/*$'
