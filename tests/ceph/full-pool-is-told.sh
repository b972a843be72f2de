#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A pool that is full, or becomes so, is an error soon, and told as what it is.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/ceph.sh"
cluster_use
p=rbd:$POOL
# flagged yes|no: wait until the monitors think so
flagged() {
	for _ in $(seq 60); do
		if ceph osd pool ls detail | grep "'$POOL'" | grep -q full_quota; then
			[ "$1" = no ] || return 0
		else
			[ "$1" = yes ] || return 0
		fi
		sleep 0.5
	done
	fail "the quota was not noticed"
}
quiet "$COWBIRD_IMG" create -q -f raw $p/i 256M
quiet "$COWBIRD_IO" -f raw -c 'write -P 4 0 16M' $p/i >/dev/null

mkfifo in
"$COWBIRD_IO" -f raw $p/i:rados_osd_op_timeout=3 <in >out 2>&1 &
io=$!
exec {to}>in
echo 'read -P 4 0 4k' >&$to
ceph_quiet osd pool set-quota "$POOL" max_bytes $((8 << 20))
flagged yes
fails_with 1 "the pool '$POOL' is full or over its quota" \
    timeout 20 "$COWBIRD_IO" -f raw -c 'write 32M 4k' $p/i
fails_with 1 "the pool '$POOL' is full or over its quota" \
    timeout 20 "$COWBIRD_IMG" create -f raw $p/new 1M
# Reading goes on.
"$COWBIRD_IO" -r -f raw -c 'read -P 4 0 16M' $p/i | grep -q 'read 16777216/16777216'

# And who had it open before.
echo 'write 64M 4M' >&$to
echo quit >&$to
exec {to}>&-
rc=0
wait $io || rc=$?
[ $rc -eq 1 ] || fail "writing to a full pool ended with $rc"
grep -q 'No space left on device' out

ceph_quiet osd pool set-quota "$POOL" max_bytes 0
flagged no
quiet "$COWBIRD_IO" -f raw -c 'write 64M 4M' -c flush $p/i >/dev/null
