#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is written with -s reads back, and is gone afterwards: the image's
# file is the same byte for byte and no other is left.
. "$(dirname "$0")/../lib.sh"

mkdir tmp
export TMPDIR=$PWD/tmp
random_file a.raw 3145728
"$COWBIRD_IMG" convert -f raw -O qcow2 a.raw a.q
cp a.raw raw.before
cp a.q q.before
for format in raw q; do
	name=${format/#q/qcow2}
	"$COWBIRD_IO" -s -f "$name" a.$format -c 'write -q -P 1 1000 100k' \
	    -c 'read -q -P 1 1000 100k' -c 'write -q -z 1M 64k' \
	    -c 'read -q -P 0 1M 64k' -c 'discard -q 2M 1M' \
	    -c 'truncate 5M' -c 'read -q -P 0 3M 2M' -c flush
	same_file $format.before a.$format
done
# What nobody wrote comes from the image.
"$COWBIRD_IO" -s -f raw a.raw -c 'write -q -P 1 64k 64k' \
    -c 'read -v 0 64' >out
"$COWBIRD_IO" -f raw a.raw -c 'read -v 0 64' >expected
same_text "$(grep : expected)" "$(grep : out)"
# It needs no right to write, and two at a time are fine.
"$COWBIRD_IO" -c 'open -s a.q' -c 'write -q 0 1' -c 'sleep 500' &
sleep 0.1
"$COWBIRD_IO" -s -f qcow2 a.q -c 'write -q 0 1'
wait $!
same_file q.before a.q
same_text "" "$(ls tmp)"
