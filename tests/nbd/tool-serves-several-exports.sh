#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# --export, repeated: several images by one server, each with its own options;
# what is wrong with one is told, and nothing is served.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires nbdcopy

random_file a.raw 2M
random_file b.raw 1M
"$COWBIRD_IMG" convert -O qcow2 b.raw b.qcow2
serve -t -e 0 \
    --export name=a,file=a.raw,format=raw \
    --export "name=half,file=b.raw,format=raw,offset=512k,size=256k,read-only=on" \
    --export "name=b,,c,file=b.qcow2,format=qcow2,description=The second,allocation-depth=on"
at() {
	echo "nbd+unix:///$1?socket=$sock"
}
[ "$(nbdinfo --list --json "nbd+unix://?socket=$sock" | grep -c '"export-name"')" = 3 ] ||
    fail "not three exports"
nbdinfo "$(at 'b,c')" >info
matches 'description: The second' info
matches 'qemu:allocation-depth' info
nbdcopy "$(at a)" copy
same_file a.raw copy
nbdcopy "$(at half)" copy
same_file <(head -c 768k b.raw | tail -c 256k) copy
nbdcopy "$(at 'b,c')" copy
same_file b.raw copy
! nbdcopy copy "$(at half)" 2>/dev/null || fail "a read-only one is written to"
random_file c.raw 1M
nbdcopy c.raw "$(at 'b,c')"
! nbdinfo "$(at x)" >/dev/null 2>&1 || fail "there is no x"
! nbdinfo "$(at '')" >/dev/null 2>&1 || fail "there is no default"
stop
"$COWBIRD_IMG" compare -f raw -F qcow2 c.raw b.qcow2 >/dev/null

wrong() {
	local text=$1
	shift
	fails_with 1 "$text" "$COWBIRD_NBD" -k "$sock" "$@"
	[ "$(wc -l <stderr)" = 1 ] || fail "more than one line: $(cat stderr)"
	[ ! -e "$sock" ] || fail "a socket is left"
}
wrong 'name=NAME is missing' --export file=a.raw
wrong 'file=NAME is missing' --export name=x
wrong "no such key: 'foo'" --export name=x,file=a.raw,foo=1
wrong offset --export name=x,file=a.raw,format=raw,offset=x
wrong 'there twice' --export name=x,file=a.raw,format=raw \
    --export name=x,file=b.raw,format=raw
wrong nofile --export name=x,file=a.raw,format=raw --export name=y,file=nofile
wrong size --export name=x,file=a.raw,format=raw,size=3M
wrong "'z' is not found" --export name=x,file=b.qcow2,format=qcow2,bitmap=z
wrong incompatible --export name=x,file=a.raw,format=raw b.raw
for option in '-x y' '-D y' '-l y' '-B y' '-o 512' --image-opts; do
	# shellcheck disable=SC2086
	wrong incompatible --export name=x,file=a.raw,format=raw $option
done
wrong 'too long' --export "name=$(head -c 5000 /dev/zero | tr '\0' a),file=a.raw,format=raw"
