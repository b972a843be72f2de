#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever a tool is about to do when the only OSD stops or dies, it ends with
# an error in the time set: librbd's own waits (for the lock of an image, in
# flushing, in closing) are left behind, and leaving them harms nothing.
unset CEPH_CLUSTER		# one of its own, to be broken
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/ceph.sh"
[ -e "$BUILD/lib/cowbird/nbd.so" ] || skip "needs the nbd module (libnbd)"
cluster_use
p=rbd:$POOL
osd=$(cat "$TEST_TMP/cluster/osd.id")
soon=rados_osd_op_timeout=2:rados_mon_op_timeout=2
head -c 128M /dev/urandom >big

# waits SECONDS CMD...: until it is true
waits() {
	local n=$(($1 * 20))
	while [ $((n--)) -gt 0 ]; do
		! "${@:2}" || return 0
		sleep 0.05
	done
	fail "never: ${*:2}"
}
said() { grep -q "$1" "$2" 2>/dev/null; }

ids=() names=()
# tool NAME CMD...: in the background; ended by force it has failed
tool() {
	timeout -s KILL 40 "${@:2}" <&0 >"$1.out" 2>&1 &
	ids+=($!) names+=("$1")
}
# session NAME BEFORE AFTER...: cowbird-io does BEFORE, and AFTER when told to
declare -A after pipes
session() {
	local name=$1 fd
	quiet "$COWBIRD_IMG" create -q -f raw "$p/$name" 64M
	mkfifo "$name.in"
	exec {fd}<>"$name.in"	# both ways: whoever is gone breaks no pipe
	tool "$name" "$COWBIRD_IO" -f raw "$p/$name:$soon" <&"$fd"
	printf '%s\n' "$2" 'read 0 512' >&"$fd"
	pipes[$name]=$fd
	after[$name]=$(printf '%s\n' "${@:3}" quit)
	waits 20 said 'read 512/512' "$name.out"
}

gone() {
	[ ! -e "/proc/$osd/stat" ] || ! sed 's/.*) //' "/proc/$osd/task"/*/stat 2>/dev/null |
	    grep -qv '^[TZX]'
}

# lose SIGNAL: to the OSD, under all that can be under way
lose() {
	local s=$1 i rc name
	session "$s-first-write" 'read 0 1k' 'write 0 64k'
	session "$s-first-large" 'read 0 1k' 'write 0 64M' flush
	session "$s-first-zeros" 'read 0 1k' 'write -z 0 1M' flush
	session "$s-first-discard" 'read 0 1k' 'discard 0 4M'
	session "$s-grown" 'read 0 1k' 'truncate 128M'
	session "$s-flushed" 'write 0 1k' 'write 0 16M' flush
	session "$s-closed" 'write 0 1k'
	session "$s-batch" 'write 0 1k' 'aio_write 0 8M' 'aio_read 16M 8M' aio_flush
	quiet "$COWBIRD_IMG" create -q -f raw "$p/$s-served" 64M
	tool "$s-served" "$COWBIRD_NBD" -t -k "$TEST_TMP/$s.sock" -f raw "$p/$s-served:$soon"
	waits 20 test -S "$s.sock"
	"$COWBIRD_IO" -f raw -c 'write 0 4k' -c flush "nbd+unix:///?socket=$TEST_TMP/$s.sock" >/dev/null
	tool "$s-made" "$COWBIRD_IMG" convert -r 16M -f raw -O qcow2 big "$p/$s-made:$soon"
	quiet "$COWBIRD_IMG" convert -f raw -O raw big "$p/$s-read"
	tool "$s-read" "$COWBIRD_IMG" convert -r 16M -f raw -O qcow2 "$p/$s-read:$soon" "$s-read"
	waits 20 test -s "$s-read"

	kill -"$s" "$osd"
	waits 10 gone
	tool "$s-opened" "$COWBIRD_IMG" info "$p/$s-closed:$soon"
	tool "$s-created" "$COWBIRD_IMG" create -f raw "$p/$s-created:$soon" 1M
	for name in "${!pipes[@]}"; do
		echo "${after[$name]}" >&"${pipes[$name]}"
		eval "exec ${pipes[$name]}>&-"
	done
	tool "$s-client" "$COWBIRD_IO" -f raw -c 'write 0 4k' -c 'read 0 4k' \
	    "nbd+unix:///?socket=$TEST_TMP/$s.sock"
	wait $!	|| true
	for i in "${!ids[@]}"; do
		name=${names[$i]}
		[ "$name" != "$s-served" ] || kill -TERM "$(pgrep -P "${ids[$i]}")"
		rc=0
		wait "${ids[$i]}" || rc=$?
		[ $rc -eq 1 ] || { cat "$name.out" >&2; fail "$name ended with $rc"; }
		said 'timed out\|Input/output error' "$name.out" ||
		    { cat "$name.out" >&2; fail "$name does not say why"; }
	done
	[ ! -e "$s-read" ] || fail "half a copy is left"
	ids=() names=() pipes=() after=()
}
lose STOP
kill -CONT "$osd"
waits 30 timeout 10 rbd -p "$POOL" ls >/dev/null
lose KILL
