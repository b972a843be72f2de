#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A cluster whose OSD or monitor is gone is an error in the time set, never a
# hang; when the OSD is back in time, nobody notices.
unset CEPH_CLUSTER		# one of its own, to be broken
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/ceph.sh"
cluster_use
p=rbd:$POOL
folder=$TEST_TMP/cluster
quiet "$COWBIRD_IMG" create -q -f raw $p/i 64M

# Stopped for a while: late, but whole.
kill -STOP "$(cat "$folder/osd.id")"
"$COWBIRD_IO" -f raw -c 'write -P 6 0 1M' -c flush -c 'read -P 6 0 1M' $p/i >out1 2>&1 &
io=$!
sleep 2
kill -CONT "$(cat "$folder/osd.id")"
wait $io

# Killed in the middle of a session that has written.
mkfifo in
timeout 50 "$COWBIRD_IO" -f raw $p/i:rados_osd_op_timeout=2:rados_mon_op_timeout=2 <in >out 2>&1 &
io=$!
exec {to}>in
echo 'write -P 6 0 4k' >&$to
echo 'read -P 6 0 4k' >&$to
for _ in $(seq 100); do
	! grep -q 'read 4096/4096' out || break
	sleep 0.1
done
kill -KILL "$(cat "$folder/osd.id")"
for command in 'read 0 4k' 'write 0 1M' 'flush' 'quit'; do
	echo "$command" >&$to
done
exec {to}>&-
rc=0
wait $io || rc=$?
[ $rc -eq 1 ] || { cat out >&2; fail "the session ended with $rc"; }
[ "$(grep -c 'Connection timed out' out)" -ge 2 ]

fails_with 1 'cannot open it: Connection timed out' timeout 30 \
    "$COWBIRD_IMG" info $p/i:rados_osd_op_timeout=2
kill -KILL "$(cat "$folder/mon.id")"
fails_with 1 'cannot connect to the cluster: Connection timed out' timeout 30 \
    "$COWBIRD_IMG" info $p/i:client_mount_timeout=2
