# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Shared by the test scripts.  A script begins
#
#	#!/bin/bash
#	# SPDX-License-Identifier: LGPL-2.1-or-later
#	# What it claims, in a sentence.
#	. "$(dirname "$0")/../lib.sh"
#
# and then has: errexit (any command that fails fails the test and is named),
# an empty current folder of its own, TMPDIR there, and
#
#	$COWBIRD_IMG $COWBIRD_IO ...	the built tools ($QEMU_IMG, $QEMU_IO: the
#			peer's, once requires_oracle has been called)
#	$SRC $BUILD	the source tree; the build tree (build, build/san, ...)
#	$TEST_TMP	the current folder
#
# It works alone too: bash tests/img/foo.sh.

set -eEu -o pipefail
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed ($?): $BASH_COMMAND" >&2' ERR

SRC=${SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
BUILD=${BUILD:-$SRC/build}
COWBIRD_IMG=${COWBIRD_IMG:-$BUILD/bin/cowbird-img}
COWBIRD_IO=${COWBIRD_IO:-$BUILD/bin/cowbird-io}
COWBIRD_NBD=${COWBIRD_NBD:-$BUILD/bin/cowbird-nbd}
COWBIRD_FUSE=${COWBIRD_FUSE:-$BUILD/bin/cowbird-fuse}
COWBIRD_EMU=${COWBIRD_EMU:-$BUILD/bin/cowbird-emu}
case $0 in
/*) test_script=$0 ;;
*) test_script=$PWD/$0 ;;
esac
if [ -z "${TEST_TMP-}" ]; then
	TEST_TMP=$(mktemp -d "${TMPDIR:-/tmp}/cowbird-test.XXXXXX")
	TEST_TMP_OWN=1
	TMPDIR=$TEST_TMP
fi
export SRC BUILD TEST_TMP TEST_TMP_OWN=${TEST_TMP_OWN-} TMPDIR LC_ALL=C.UTF-8
export COWBIRD_IMG COWBIRD_IO COWBIRD_NBD COWBIRD_FUSE COWBIRD_EMU
cd "$TEST_TMP"

cleanups=()
run_cleanups() {
	local rc=$? i
	trap - EXIT ERR
	set +e
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
		eval "${cleanups[$i]}"
	done
	if [ -n "$TEST_TMP_OWN" ]; then
		cd / && rm -rf "$TEST_TMP"
	fi
	exit "$rc"
}
trap run_cleanups EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# cleanup_fn CMD [ARG]...: runs it however the test ends, last one first.
cleanup_fn() {
	cleanups+=("$(printf '%q ' "$@")")
}

# fail TEXT: the test has failed.
fail() {
	trap - ERR
	echo "${test_script##*/}: $*" >&2
	exit 1
}

# skip TEXT: it cannot be tested here.  The runner shows the last line.
skip() {
	trap - ERR
	echo "$*" >&2
	exit 77
}

# requires CMD...: skip unless all of these are installed (or built).
requires() {
	local cmd
	for cmd; do
		command -v "$cmd" >/dev/null || skip "needs ${cmd##*/}"
	done
}

# requires_oracle: the peer's own tools, as $QEMU_IMG and $QEMU_IO.  In CI it
# is a failure not to have them.
requires_oracle() {
	local tool text
	QEMU_IMG=${QEMU_IMG:-qemu-img} QEMU_IO=${QEMU_IO:-qemu-io}
	for tool in "$QEMU_IMG" "$QEMU_IO"; do
		if text=$("$tool" --version 2>/dev/null) &&
		    [[ $text != *cowbird* ]]; then
			continue
		fi
		text="needs the peer's ${tool##*/} as oracle (qemu-utils)"
		[ "${CI-}" != true ] || fail "$text"
		skip "$text"
	done
}

# requires_plain_build: some tests mean nothing under a sanitizer
# (timing, memory limits) and are skipped there.
requires_plain_build() {
	case $BUILD in
	*/san | */tsan) skip "means nothing in a sanitizer build" ;;
	esac
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
}

# small_tmpfs MIB DIR: an empty file system of that size at DIR, to be filled
# up.  Call it before anything else: where possible the script starts over in
# a mount name space of its own, so that the mount cannot outlive it.
small_tmpfs() {
	local mib=$1 dir=$2 flags=-m
	if [ -z "${TEST_IN_NAMESPACE-}" ]; then
		[ "$(id -u)" -eq 0 ] || flags=-rm
		if unshare $flags true 2>/dev/null; then
			TEST_IN_NAMESPACE=1 exec unshare $flags \
			    bash "$test_script"
		fi
	fi
	mkdir -p "$dir"
	mount -t tmpfs -o "size=${mib}m" tmpfs "$dir" 2>/dev/null ||
	    skip "may not mount a tmpfs"
	cleanup_fn umount -l "$dir"
}

# fails_with CODE PATTERN CMD...: CMD exits with exactly CODE and says
# something on stderr that the extended regular expression matches.  Its
# output is left in ./stdout and ./stderr.
fails_with() {
	local code=$1 pattern=$2 rc=0
	shift 2
	"$@" >stdout 2>stderr </dev/null || rc=$?
	if [ "$rc" -ne "$code" ]; then
		cat stdout stderr >&2
		fail "exit code $rc instead of $code: $*"
	fi
	if ! grep -Eq -e "$pattern" stderr; then
		cat stderr >&2
		fail "stderr does not match '$pattern': $*"
	fi
}

# quiet CMD...: CMD succeeds and says nothing at all on stderr.
quiet() {
	local rc=0
	"$@" 2>stderr || rc=$?
	if [ "$rc" -ne 0 ] || [ -s stderr ]; then
		cat stderr >&2
		fail "exit code $rc, or not silent: $*"
	fi
}

# same_file A B: byte for byte.
same_file() {
	cmp "$1" "$2" >&2 || fail "$1 and $2 differ"
}

# same_text EXPECTED ACTUAL [WHAT]
same_text() {
	[ "$1" = "$2" ] || {
		diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") >&2 || true
		fail "${3:-text} is not as expected (< expected, > got)"
	}
}

# matches PATTERN FILE: some line of FILE matches.
matches() {
	grep -Eq -e "$1" "$2" || {
		cat "$2" >&2
		fail "nothing in $2 matches '$1'"
	}
}

# random_file NAME BYTES
random_file() {
	head -c "$2" /dev/urandom >"$1"
}

# peer_names: our tools under the peers' names, as $PEER_IMG, $PEER_IO.
peer_names() {
	mkdir -p peer
	ln -sf "$COWBIRD_IMG" peer/qemu-img
	ln -sf "$COWBIRD_IO" peer/qemu-io
	PEER_IMG=$TEST_TMP/peer/qemu-img
	PEER_IO=$TEST_TMP/peer/qemu-io
}
