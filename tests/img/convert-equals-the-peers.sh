#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# convert refuses what the peer refuses in its words, and takes what it takes:
# then the peer finds the same contents in the target, and the same map.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

prepare() {
	"$QEMU_IMG" create -q -f raw a 1M
	"$QEMU_IO" -f raw -c 'write -P 1 0 128k' a >/dev/null
	printf abc >odd
	"$QEMU_IMG" create -q -f qcow2 base 2M
	"$QEMU_IO" -c 'write -P 1 0 512k' base >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -b base -F qcow2 top 2M
	"$QEMU_IO" -c 'write -P 3 128k 128k' -c 'write -z 0 64k' \
	    -c 'write -P 0 448k 128k' -c 'write -P 4 1536k 64k' top >/dev/null
	"$QEMU_IMG" create -q -f qcow2 full 2M
	"$QEMU_IO" -c 'write -P 5 0 2M' full >/dev/null
	"$QEMU_IMG" create -q -f qcow2 small 512k
}
(cd theirs && prepare)
cp -a theirs/. ours

# kinds IMAGE: its map without places.
kinds() {
	"$QEMU_IMG" map --output=json "$1" | python3 -c '
import json, sys
runs = []
for r in json.load(sys.stdin):
    r.pop("offset", None)
    end = r["start"] + r.pop("length")
    if runs and all(runs[-1][0][k] == r[k] for k in r if k != "start"):
        runs[-1][1] = end
    else:
        runs.append([r, end])
for r, end in runs:
    print(r, end)'
}

# target IMAGE ARG...: the same image comes of both; and, for a qcow2 target,
# the same map.
target() {
	local image=$1
	shift
	apart convert "$@"
	[ "$(cat theirs.rc)$(cat ours.rc)" = 00 ] || return 0
	"$QEMU_IMG" compare -q theirs/$image ours/$image ||
	    fail "convert $*: the contents differ"
	case "$*" in *-O\ qcow2*) ;; *) return 0 ;; esac
	"$QEMU_IMG" check -q ours/$image || fail "convert $*: check"
	diff <(kinds theirs/$image) <(kinds ours/$image) ||
	    fail "convert $*: the maps differ"
}

for source in a odd base top full; do
	target x -O raw $source x
	target x -O qcow2 $source x
	target x -c -O qcow2 $source x
	target x -O qcow2 -o cluster_size=4k,compat=0.10 $source x
	target x -S 0 -O qcow2 $source x
done
target x -f raw -O raw a odd a x
target x -O qcow2 a base top x
target x -O qcow2 -B base -F qcow2 top x
target x -O qcow2 -B full -F qcow2 base x
target x -O qcow2 -o backing_file=base,backing_fmt=qcow2 top x
target full -n -O qcow2 base full
target full -n -O qcow2 top full
target x -O qcow2 -o size=4M base x
target x --salvage -O raw top x
target x -W -m 4 -O qcow2 top x
target x -C -O qcow2 base x
target x -r 0 -T none -t none -O qcow2 top x
target x --image-opts -O qcow2 driver=qcow2,file.filename=top x

cd ours
rm -f x
for how in '-S 100' '-S bad' '-S 4G' '-m 0' '-m 17' '-m x' '-r x' '-t foo' \
    '-T foo' '-O nosuch' '-f nosuch' '-o ,' '-o foo=bar' '-C -c' \
    '-C -S 4k' '--salvage -C' '-c -O raw' --target-is-zero \
    --target-image-opts --skip-broken-bitmaps; do
	# shellcheck disable=SC2086
	same_as_peer convert $how base x
done
same_as_peer convert -O '' base x
same_as_peer convert -O qcow2 -B base base x
same_as_peer convert -o '' base x
same_as_peer convert base
same_as_peer convert missing x
same_as_peer convert a missing x
same_as_peer convert base folder/x
same_as_peer convert -O qcow2 -o cluster_size=3k base x
same_as_peer convert -n --target-image-opts -O raw base file.filename=x
same_as_peer convert --image-opts -f qcow2 driver=qcow2,file.filename=base x
same_as_peer convert -n -o cluster_size=4k -O qcow2 base base
same_as_peer convert -O raw -B base -F qcow2 base x
same_as_peer convert --bitmaps -O qcow2 base base x
same_as_peer convert -l foo -O qcow2 base base x
same_as_peer convert -O qcow2 -B base -F qcow2 base base x
same_as_peer convert -n -O qcow2 base small
same_as_peer convert -n -O qcow2 base missing
[ ! -e x ] || fail "something is left"
no_difference
