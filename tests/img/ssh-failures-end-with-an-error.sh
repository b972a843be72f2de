#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that goes away, falls silent, refuses, or has no room: one clear
# line, an exit code, and no waiting for ever.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/sshd.sh"
sshd_start
truncate -s 1M disk
mkdir dir
url=$SSH_URL/disk

refused() {
	fails_with 1 "^cowbird-img: .*$1" timeout 30 "${@:2}"
	[ "$(wc -l <stderr)" -eq 1 ] || { cat stderr >&2; fail "more than one line: ${*:2}"; }
}
refused 'No such file or directory$' "$COWBIRD_IMG" info "$SSH_URL/none"
refused 'not a regular file|Failure' "$COWBIRD_IMG" info "$SSH_URL/dir"
refused 'No such file or directory$' "$COWBIRD_IMG" create "$SSH_URL/no/x" 1M
refused 'path is longer' "$COWBIRD_IMG" info "$SSH_URL/$(printf 'x%.0s' $(seq 1100))"
refused "cannot connect to '127.0.0.1'" "$COWBIRD_IMG" info ssh://127.0.0.1:1/x

# Killed between two commands of a session: what was flushed is there, and
# nothing pretends that the rest is.
mkfifo in
"$COWBIRD_IO" -f raw "$url" <in >out 2>&1 &
io=$!
exec {to}>in
# says TEXT: wait until the session has said it
says() {
	for _ in $(seq 200); do
		! grep -q "$1" out || return 0
		sleep 0.05
	done
	cat out >&2
	fail "cowbird-io never said '$1'"
}
echo 'write -P 1 0 64k' >&$to
says 'wrote 65536/65536 bytes at offset 0'
echo flush >&$to
echo 'write -P 2 64k 64k' >&$to
says 'wrote 65536/65536 bytes at offset 65536'
sshd_stop "$SSHD_PID"
echo 'read 0 4k' >&$to
says 'connection was lost before all'
echo 'write 0 4k' >&$to
echo 'flush' >&$to
echo 'quit' >&$to
exec {to}>&-
rc=0
wait $io || rc=$?
[ $rc -ne 0 ] || fail "a session whose server died ended well"
"$COWBIRD_IO" -f raw -c 'read -P 1 0 64k' disk | grep -q 'read 65536/65536'

# With nothing unflushed, the next call finds the server that is there again.
sshd_restart() {
	"$SSHD" -D -e -f "$TEST_TMP/sshd_config" 2>>sshd.log &
	SSHD_PID=$!
	cleanup_fn sshd_stop "$SSHD_PID"
	sshd_answers
}
sshd_restart
"$COWBIRD_IO" -f raw "$url" <in >out 2>&1 &
io=$!
exec {to}>in
echo 'write -P 3 0 64k' >&$to
echo flush >&$to
echo 'read -P 3 0 4k' >&$to
says 'read 4096/4096 bytes at offset 0'
sshd_stop "$SSHD_PID"
sshd_restart
echo 'read -P 3 4k 8k' >&$to
says 'read 8192/8192 bytes at offset 4096'
echo quit >&$to
exec {to}>&-
wait $io

# In the middle of a job.
truncate -s 64G big
"$COWBIRD_IMG" convert -f raw -O raw -S 0 big "$SSH_URL/copy" >out 2>err &
job=$!
for _ in $(seq 200); do
	[ "$(stat -c %s copy 2>/dev/null || echo 0)" -lt $((8 << 20)) ] || break
	sleep 0.05
done
sshd_stop "$SSHD_PID"
rc=0
wait $job || rc=$?
[ $rc -eq 1 ] || fail "convert ended with $rc"
matches 'connection (is|was) lost|closed the connection|cannot connect' err
[ "$(wc -l <err)" -eq 1 ] || { cat err >&2; fail "more than one line"; }

# Silent: stopped in the middle of things.
sshd_restart
"$COWBIRD_IO" -f raw "$url?timeout=1" <in >out 2>&1 &
io=$!
exec {to}>in
echo 'read 0 4k' >&$to
says 'read 4096/4096'
for pid in $(pgrep -P "$SSHD_PID"); do
	pkill -STOP -P "$pid" || true
	kill -STOP "$pid"
done
kill -STOP "$SSHD_PID"
echo 'read 0 4k' >&$to
says 'did not answer within 1 s'
echo 'write 0 1M' >&$to		# connecting again: nobody accepts
echo quit >&$to
exec {to}>&-
rc=0
wait $io || rc=$?
[ $rc -ne 0 ] || fail "a session whose server fell silent ended well"

fails_with 1 'cannot connect.*(time|Time)' timeout 30 "$COWBIRD_IMG" info "$url?timeout=1"
