#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# virt-v2v's way: --help tells of SELinux labels, --version begins with
# "qemu-nbd X.Y.Z", and "-t --shared=0 --discard=unmap --pid-file P --socket S
# [-s] [--image-opts] [--format F] DISK" serves once the pid file is there.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires nbdcopy

"$PEER_NBD" --help | grep -q selinux
"$PEER_NBD" --version | head -1 | grep -Eq '^qemu-nbd [0-9]+\.[0-9]+\.[0-9]+'

random_file raw 5M
"$COWBIRD_IMG" convert -O qcow2 raw a.qcow2
run() {
	rm -f pid
	"$PEER_NBD" -t --shared=0 --discard=unmap --pid-file "$PWD/pid" \
	    --socket "$sock" "$@" 2>server.err &
	server=$!
	cleanup_fn kill_server $server
	# As virt-v2v does: when the file is there the socket is used.
	within 30 test -e pid
	[ "$(cat pid)" = $server ] || fail "pid file: $(cat pid)"
	nbdcopy --connections=4 "$uri" copy
	same_file raw copy
}
run -s --format qcow2 a.qcow2
random_file other 5M
nbdcopy other "$uri"
stop
run --image-opts driver=qcow2,file.driver=file,file.filename=a.qcow2
stop
run --format raw raw
nbdcopy other "$uri"
nbdsize=$(nbdinfo --size "$uri")
[ "$nbdsize" = 5242880 ]
stop
same_file other raw
[ ! -s server.err ] || { cat server.err; fail "it says something"; }
[ ! -e pid ] && [ ! -e "$sock" ] || fail "files are left"

# A label, where this system knows such.
if [ -e /sys/fs/selinux/enforce ]; then
	serve -t --selinux-label system_u:object_r:svirt_socket_t:s0 -f raw raw
	stop
else
	fails_with 1 'Cannot set SELinux socket create context to x' \
	    "$PEER_NBD" --socket "$sock" --selinux-label x -f raw raw
	[ ! -e "$sock" ] || fail "a socket is left"
fi
