#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# make install puts everything below DESTDIR and PREFIX, the same bytes each
# time; make uninstall removes all of it; a file under a peer's name that is
# not our link survives install-compat.
. "$(dirname "$0")/../lib.sh"
requires make
requires_plain_build

into() {
	local root=$1
	shift
	make -s -C "$SRC" MAKEFLAGS= PREBUILT=1 DESTDIR="$PWD/$root" PREFIX=/opt/c "$@" \
	    >log 2>&1
}
into a install || { cat log; fail "make install"; }
for file in bin/cowbird-img bin/cowbird-io include/cowbird.h \
    lib/libcowbird.a lib/libcowbird.so lib/libcowbird.so.0 \
    lib/libcowbird.so.0.1.0 lib/pkgconfig/cowbird.pc \
    share/man/man1/cowbird-img.1 share/man/man1/cowbird-io.1 \
    share/bash-completion/completions/cowbird-img \
    share/zsh/site-functions/_cowbird-img \
    share/fish/vendor_completions.d/cowbird-img.fish \
    share/bash-completion/completions/cowbird-nbd \
    share/zsh/site-functions/_cowbird-nbd \
    share/fish/vendor_completions.d/cowbird-nbd.fish; do
	[ -e "a/opt/c/$file" ] || fail "$file is not installed"
done
[ -z "$(find a -path a/opt -prune -o -type f -print)" ] ||
    fail "files outside PREFIX"
grep -rIl -e "$PWD" a >leaks && fail "DESTDIR is in an installed file: $(cat leaks)"

into b install || fail "second make install"
diff -r a b || fail "two installations differ"

into a install-compat || { cat log; fail "make install-compat"; }
[ "$(readlink a/opt/c/bin/qemu-img)" = cowbird-img ] || fail "no qemu-img link"
[ "$(readlink a/opt/c/share/man/man1/qemu-img.1)" = cowbird-img.1 ] ||
    fail "no page of that name"
a/opt/c/bin/qemu-img --version >version
matches '^qemu-img version [0-9.]+ \(cowbird ' version
into a uninstall || fail "make uninstall"
[ -z "$(find a ! -type d)" ] || fail "left behind: $(find a ! -type d)"

echo theirs >b/opt/c/bin/qemu-img
! into b install-compat || fail "install-compat replaced a foreign qemu-img"
[ "$(cat b/opt/c/bin/qemu-img)" = theirs ] || fail "foreign file changed"
