#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# --discard, --detect-zeroes, --cache and --aio do what they say to the file below.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires_nbd_python

random_file data 4M
cp --sparse=never data probe
fallocate -p -l 1M probe 2>/dev/null && [ "$(stat -c %b probe)" -lt 7000 ] ||
    skip "this file system has no holes"

# blocks: what the file takes, in KiB.
blocks() {
	echo $(($(stat -c %b "$1") / 2))
}
# client CODE: with h connected.
client() {
	U=$uri "$python" -c "import nbd, os
h = nbd.NBD()
h.set_strict_mode(0)
h.connect_uri(os.environ['U'])
$1
h.flush()
h.shutdown()"
}
trimmed() {
	cp --sparse=never data disk
	serve "$@" -f raw disk
	client 'h.trim(1 << 20, 0)'
	ends 0
	blocks disk
}
[ "$(trimmed)" -ge 4096 ] || fail "trim without --discard"
[ "$(trimmed --discard=ignore)" -ge 4096 ] || fail "--discard=ignore"
[ "$(trimmed --discard=unmap)" -le 3200 ] || fail "--discard=unmap"
[ "$(trimmed --discard=on)" -le 3200 ] || fail "--discard=on"

zeroed() {
	cp --sparse=never data disk
	serve "$@" -f raw disk
	client 'h.pwrite(bytes(1 << 20), 0)'
	ends 0
	cmp <(head -c 1M /dev/zero; tail -c +1048577 data) disk >&2
	blocks disk
}
[ "$(zeroed)" -ge 4096 ] || fail "zeros without --detect-zeroes"
[ "$(zeroed --detect-zeroes=off --discard=unmap)" -ge 4096 ] || fail "off"
[ "$(zeroed --detect-zeroes=unmap --discard=unmap)" -le 3200 ] ||
    fail "--detect-zeroes=unmap"
noted() {
	rm -f disk
	"$COWBIRD_IMG" create -q -f qcow2 disk 4M
	serve "$@" -f qcow2 disk
	client 'h.pwrite(bytes(1 << 20), 0)'
	ends 0
	blocks disk
}
[ "$(noted)" -ge 1024 ] || fail "zeros in qcow2 without --detect-zeroes"
[ "$(noted --detect-zeroes=on)" -lt 1024 ] || fail "--detect-zeroes=on"

# Caches: what the system is asked for.
command -v strace >/dev/null && strace -f -o trace true 2>/dev/null || exit 0
asked() {
	cp data disk
	rm -f trace
	cat >traced <<-END
	#!/bin/bash
	exec strace -f -o "$PWD/trace" -e trace=openat,fcntl,fdatasync,fsync,io_uring_setup \\
	    "$COWBIRD_NBD" "\$@"
	END
	chmod +x traced
	NBD=$PWD/traced serve "$@" -f raw disk
	client 'h.pwrite(bytes([1]) * 65536, 0)'
	ends 0
}
asked
matches 'f(data)?sync' trace
! grep -q O_DIRECT trace || fail "O_DIRECT by default"
asked --cache=unsafe
! grep -Eq 'f(data)?sync' trace || fail "--cache=unsafe waits"
asked --cache=none
grep -q O_DIRECT trace ||
    fail "--cache=none goes through the cache"
asked -n
matches 'O_DIRECT' trace

# How many at a time: requests that come together go by a ring, or do not.
together() {
	cp data disk
	rm -f trace
	NBD=$PWD/traced serve "$@" --cache=none -f raw disk
	client 'for i in range(64):
    h.aio_pread(nbd.Buffer(4096), i << 16)
while h.aio_in_flight():
    h.poll(-1)'
	ends 0
}
together --aio=io_uring
grep -q 'io_uring_setup.*= [0-9]' trace || skip "this system has no io_uring"
together --aio=native
matches io_uring_setup trace
together --aio=threads
! grep -q io_uring_setup trace || fail "--aio=threads takes a ring"
