#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The programs of tests/examples compile against an installed tree, found by
# pkg-config, with the shared and with the static library, and run.
. "$(dirname "$0")/../lib.sh"
requires make pkg-config
requires_plain_build
CC=${CC:-gcc}
requires "$CC"

ls "$SRC"/tests/examples/*.c >examples 2>/dev/null ||
    fail "tests/examples is empty"
make -s -C "$SRC" MAKEFLAGS= PREBUILT=1 install DESTDIR="$PWD/root" PREFIX=/usr >install.log 2>&1 ||
    { cat install.log; fail "make install"; }

export PKG_CONFIG_SYSROOT_DIR=$PWD/root
export PKG_CONFIG_PATH=$PWD/root/usr/lib/pkgconfig
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
pkg-config --exists cowbird || fail "pkg-config does not know cowbird"
[ "$(pkg-config --modversion cowbird)" = "$(cat "$SRC/VERSION")" ] ||
    fail "the .pc file has another version"

"$COWBIRD_IMG" create -f qcow2 disk.qcow2 1M >created || fail "no image"
while read -r source; do
	name=${source##*/}
	name=${name%.c}
	# shellcheck disable=SC2046
	"$CC" -Wall -Wextra -Werror -o "$name" "$source" \
	    $(pkg-config --cflags --libs cowbird) || fail "$name does not build"
	LD_LIBRARY_PATH=$PWD/root/usr/lib "./$name" disk.qcow2 >"$name.out" ||
	    fail "$name does not run"
	readelf -d "$name" | grep -q 'NEEDED.*libcowbird\.so\.0' ||
	    fail "$name does not use libcowbird.so.0"
	# The static library: what it needs comes from --static.
	"$CC" -Wall -Wextra -Werror -o "$name.static" "$source" \
	    -I"$PWD/root/usr/include" "$PWD/root/usr/lib/libcowbird.a" \
	    $(env -u PKG_CONFIG_SYSROOT_DIR pkg-config --static --libs-only-l \
	    cowbird | sed 's/-lcowbird//') || fail "$name does not link statically"
	"./$name.static" disk.qcow2 >"$name.static.out" ||
	    fail "$name does not run, linked statically"
	same_file "$name.out" "$name.static.out"
done <examples
