#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wrong command lines end with the peer's exit code and, under its name, with
# its words.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires_nbd_oracle

truncate -s 1M a.raw
"$COWBIRD_IMG" create -q -f qcow2 a.qcow2 1M
long=$(head -c 5000 /dev/zero | tr '\0' a)
differ=0
same() {
	local rc=0 theirs ours
	rm -f sock
	timeout 10 "$QEMU_NBD" "$@" >out 2>&1 </dev/null || rc=$?
	theirs=$(cat out)$'\n'rc=$rc
	rc=0
	timeout 10 "$PEER_NBD" "$@" >out 2>&1 </dev/null || rc=$?
	ours=$(cat out)$'\n'rc=$rc
	[ "$theirs" != "$ours" ] || return 0
	echo "qemu-nbd ${*:0:9}"
	diff <(echo "$theirs") <(echo "$ours") | cut -c1-200
	differ=1
}
same
same a b
same -z a.raw
same -p
same --foo
same --port
same -tz a.raw
same -e x a.raw
same -e -1 a.raw
same -e 1x a.raw
same -p x -f raw a.raw
same -k relative -f raw a.raw
same -k /nonexistent/x -f raw a.raw
same -k "$sock" -f raw no-such-file
same -k "$sock" -f foo a.raw
same -k "$sock" -f raw --image-opts driver=raw,file.filename=a.raw
same -k "$sock" -c /dev/no-such-device -f raw a.raw
same -d
same -o x -f raw a.raw
same -o 1048577 -f raw a.raw
same --cache foo a.raw
same --cache none --cache none a.raw
same -n --cache none a.raw
same --aio foo a.raw
same --aio native -f raw a.raw
same --aio native --aio native a.raw
same --discard foo a.raw
same --discard unmap --discard unmap a.raw
same --detect-zeroes foo a.raw
same --detect-zeroes unmap a.raw
same -B foo -f raw a.raw
same -B foo -f qcow2 a.qcow2
same -l foo -f qcow2 a.qcow2
same -l snapshot.foo=1 -f qcow2 a.qcow2
same -l snapshot.id=7 -f qcow2 a.qcow2
same -x "$long" -f raw a.raw
same -D "$long" -f raw a.raw
same --pid-file /nonexistent/x -f raw -k "$sock" a.raw
same --fork --pid-file /nonexistent/x -f raw -k "$sock" a.raw
same --fork -f raw -k "$sock" no-such-file
same -b 1.2.3.4 -f raw a.raw
same --selinux-label foo -f raw a.raw
same -L a.raw
same -L -k /nonexistent/x
same -L -k relative
same -L -x foo
same -L -o 1
same -L --fork
same -L -f raw
same -L -D foo
same -L -B foo
same -L -A
same -L -n
same -L -l x
same -L --cache none
same -L --discard=unmap
same -L -c /dev/no-such-device
same -L --tls-hostname x
same -L --tls-authz x
same -L --tls-creds x
same --tls-creds x -f raw a.raw
same --tls-hostname x -f raw a.raw
same --tls-authz x -f raw a.raw
same --object secret,id=s,data=abc --tls-creds s -f raw a.raw
same --object tls-creds-psk,id=s,dir=/none,endpoint=server --tls-creds s a.raw
same --object tls-creds-x509,id=s,dir=/none,endpoint=server --tls-creds s a.raw
same --object tls-creds-psk,id=s,endpoint=server --tls-creds s a.raw
same --object tls-creds-anon,id=s,endpoint=client --tls-creds s a.raw
same --object tls-creds-anon,id=s --tls-creds s a.raw
same --object tls-creds-anon,id=s,endpoint=server --tls-creds s -c /dev/x a.raw
# Its first line; the others name its authors.
[[ $("$PEER_NBD" --version) =~ ^qemu-nbd\ [0-9]+\.[0-9]+\.[0-9]+\  ]] ||
    fail "version: $("$PEER_NBD" --version)"
[ $differ -eq 0 ] || fail "differs from the peer"
