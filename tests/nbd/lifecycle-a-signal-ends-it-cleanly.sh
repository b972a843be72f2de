#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SIGTERM, SIGINT and SIGHUP in the middle of clients' writes and reads: the
# server ends with 0, its socket and pid file are gone, the image is whole.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires nbdcopy

# A shell lets what it starts in the background ignore SIGINT.
cat >server <<END
#!/bin/bash
exec env --default-signal=INT,HUP "$COWBIRD_NBD" "\$@"
END
chmod +x server
NBD=$PWD/server
random_file src 16M
for ((i = 0; i < ${ROUNDS:-100}; i++)); do
	"$COWBIRD_IMG" create -q -f qcow2 d.qcow2 16M
	serve -t -e 0 -f qcow2 d.qcow2
	nbdcopy src "$uri" 2>/dev/null &
	writer=$!
	nbdcopy "$uri" null: 2>/dev/null &
	reader=$!
	sleep "0.0$((i % 5))"
	signals=(TERM INT HUP)
	kill "-${signals[i % 3]}" "$server"
	ends 0
	wait "$writer" "$reader" || true
	[ ! -e "$sock" ] && [ ! -e pid ] || fail "files are left"
	"$COWBIRD_IMG" check d.qcow2 >out 2>&1 || { cat out; fail "damaged"; }
done
