#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# rebase keeps what an overlay reads as, whatever it is put on, and says what
# the peer says.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

prepare() {
	"$QEMU_IMG" create -q -f qcow2 base 1M
	"$QEMU_IO" -c 'write -P 1 0 512k' base >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -b base -F qcow2 mid 2M
	"$QEMU_IO" -c 'write -P 2 64k 128k' mid >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -b mid -F qcow2 top
	"$QEMU_IO" -c 'write -P 3 128k 128k' -c 'write -P 4 1536k 64k' \
	    -c 'write -z 0 64k' top >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -b mid -F qcow2 \
	    -o extended_l2=on,cluster_size=2M sub
	"$QEMU_IO" -c 'write -P 3 130k 1k' sub >/dev/null
	"$QEMU_IMG" create -q -f qcow2 huge 4M
	"$QEMU_IO" -c 'write -P 5 0 4M' huge >/dev/null
	"$QEMU_IMG" convert -c -O qcow2 mid packed
	"$QEMU_IMG" create -q -f raw flat 300k
	"$QEMU_IO" -f raw -c 'write -P 1 0 100k' flat >/dev/null
	"$QEMU_IMG" create -q -f qcow2 alone 2M
	"$QEMU_IO" -c 'write -P 9 0 64k' alone >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -o compat=0.10 -b mid -F qcow2 old
	mkdir dir
	"$QEMU_IMG" create -q -f qcow2 -b ../base -F qcow2 dir/over
}
mkdir fresh
(cd fresh && prepare)

# rebases IMAGE ARG...: on fresh images.
rebases() {
	local image=$1
	shift
	rm -rf theirs ours
	cp -a fresh theirs
	cp -a fresh ours
	apart rebase "$@"
	"$QEMU_IMG" compare -q fresh/$image ours/$image ||
	    fail "rebase $*: contents"
	"$QEMU_IMG" check -q ours/$image || fail "rebase $*: check"
	diff <(cd theirs && "$QEMU_IMG" info $image | grep backing) \
	    <(cd ours && "$QEMU_IMG" info $image | grep backing) ||
	    fail "rebase $*: names"
}

for image in top sub old alone; do
	for backing in base mid huge packed; do
		rebases $image -b $backing -F qcow2 $image
	done
	rebases $image -b flat -F raw $image
	rebases $image -b '' $image
done
rebases top -q -p -t none -T none -b base -F qcow2 top
rebases dir/over -b ../huge -F qcow2 dir/over
rebases dir/over -b "$PWD/fresh/packed" -F qcow2 dir/over

rm -rf theirs ours
cp -a fresh theirs
cp -a fresh ours
for args in '-u -b nosuch -F raw' '-u -b mid -F qcow2' '-u'; do
	# shellcheck disable=SC2086
	apart rebase $args top
	diff <(cd theirs && "$QEMU_IMG" info top | grep -v disk) \
	    <(cd ours && "$QEMU_IMG" info top | grep -v disk)
done
cd fresh
for args in '-b base top' '-u -b base top' '-b base -F nosuch top' \
    '-b base -F qcow2 missing' '-b missing -F qcow2 top' top '-b base' \
    '-b base -F qcow2 -t foo top' '-b base -F qcow2 -T foo top' \
    '-f raw -b base -F qcow2 flat' '-u -f raw -b base -F qcow2 flat'; do
	# shellcheck disable=SC2086
	same_as_peer rebase $args
done
no_difference
