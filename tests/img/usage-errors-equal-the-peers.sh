#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is wrong with a command line is said in the peer's words, with its exit
# code: programs show them to people, and some look for words in them.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

"$QEMU_IMG" create -q -f qcow2 q 1M
"$QEMU_IMG" create -q -f raw r 1M
mkdir folder
printf 'QFI\373\0\0\0\3garbage' >broken
"$QEMU_IMG" create -q -f qcow2 locked 1M

same_as_peer
same_as_peer nosuch
same_as_peer --nosuch
same_as_peer -T
for command in info check create map compare convert rebase commit resize \
    bench measure; do
	same_as_peer $command
	# The peer's measure prints all its help then, and exits with 0.
	[ $command != measure ] || continue
	same_as_peer $command --nosuch q q
	same_as_peer $command -Z q q
	# resize takes its last word off first; bench has no --object.
	[ $command != resize ] && [ $command != bench ] || continue
	same_as_peer $command q q -f
	same_as_peer $command q q --object
	same_as_peer $command --object nosuch,id=x q
	same_as_peer $command --object secret q
	same_as_peer $command --object secret,data=x q
	same_as_peer $command --object secret,id=x q
	same_as_peer $command --object secret,id=x,data=a,file=b q
	same_as_peer $command --object secret,id=x,data=a,format=foo q
	same_as_peer $command --object secret,id=x,data=a,foo=bar q
done
for command in info check; do
	same_as_peer $command q r
	same_as_peer $command --output=foo q
	same_as_peer $command --output
	same_as_peer $command missing
	same_as_peer $command folder
	same_as_peer $command folder/missing
	same_as_peer $command q/below
	same_as_peer $command -f nosuch q
	same_as_peer $command -f qcow2 r
	same_as_peer $command ''
	same_as_peer $command nosuch:q
	same_as_peer $command --image-opts -f raw q
	same_as_peer $command --image-opts driver=nosuch,file.filename=q
	same_as_peer $command --image-opts driver=qcow2,foo=1,file.filename=q
	same_as_peer $command --image-opts driver=qcow2,file.foo=1,file.filename=q
	same_as_peer $command 'json:{'
	same_as_peer $command 'json:{"driver":"qcow2","foo":1,"file":{"driver":"file","filename":"q"}}'
done
same_as_peer info -T none q
same_as_peer check -r foo q
same_as_peer check -T foo q
same_as_peer check -U -r all q
same_as_peer check -f raw r
same_as_peer check r
same_as_peer check --output=json r
same_as_peer info --object 'secret,id=x,data=a' q
same_as_peer info --object '{"qom-type":"secret","id":"x","data":"a"}' q

# Somebody else writes to it.
mkfifo hold.fifo
exec {hold}<>hold.fifo
"$QEMU_IO" locked <hold.fifo >/dev/null 2>&1 &
holder=$!
cleanup_fn kill $holder
for _ in $(seq 50); do
	"$QEMU_IMG" info locked >/dev/null 2>&1 || break
	sleep 0.1
done
same_as_peer info locked
same_as_peer info -U locked
same_as_peer check locked
same_as_peer check -r all locked
same_as_peer resize locked 2M
same_as_peer create -f qcow2 locked 2M
no_difference
