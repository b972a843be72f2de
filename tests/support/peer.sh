# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Ours under the peer's name against the peer itself.  Sourced after lib.sh.

requires_oracle
[ -x "$COWBIRD_IMG" ] || fail "not built: $COWBIRD_IMG"
peer_names

# run_and_keep PREFIX CMD...: leaves PREFIX.out, PREFIX.err and PREFIX.rc.
run_and_keep() {
	local to=$1 rc=0
	shift
	"$@" >"$to.out" 2>"$to.err" </dev/null || rc=$?
	echo "$rc" >"$to.rc"
	# Not judged: a newline missing at the very end.
	sed -i -e '$a\' "$to.out" "$to.err"
}

# judge CMD...: are theirs.* and ours.* alike?  Differences are shown and
# counted; no_difference ends the test.
differ=0
judge() {
	local part
	for part in rc out err; do
		cmp -s "$TEST_TMP/theirs.$part" "$TEST_TMP/ours.$part" && continue
		echo "qemu-img $*"
		diff "$TEST_TMP/theirs.$part" "$TEST_TMP/ours.$part" |
		    sed "s/^/    $part /" || true
		differ=$((differ + 1))
	done
}

# same_as_peer ARG...: one command that changes nothing, on the same files.
same_as_peer() {
	run_and_keep "$TEST_TMP/theirs" "$QEMU_IMG" "$@"
	run_and_keep "$TEST_TMP/ours" "$PEER_IMG" "$@"
	judge "$@"
}

# apart ARG...: a command that changes files, in theirs/ by the peer and in
# ours/ by us.  Both begin alike.
mkdir -p theirs ours
apart() {
	(cd theirs && run_and_keep "$TEST_TMP/theirs" "$QEMU_IMG" "$@")
	(cd ours && run_and_keep "$TEST_TMP/ours" "$PEER_IMG" "$@")
	judge "$@"
}

no_difference() {
	[ "$differ" -eq 0 ] || fail "$differ differences"
}
