#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commands say what is wanted: zeros that may be holes or must not, trims,
# flushes only after changes, one connection where the server has no more,
# several for several threads where it has.
. "$(dirname "$0")/client.inc"
requires nbdkit

u=$(uri "$PWD/s")
nbdkit_at s --filter=log memory 64M logfile=log
"$COWBIRD_IO" -f raw -c 'write -q -z 0 64k' -c 'write -q -z -u 64k 64k' \
    -c 'write -q -P 1 128k 4k' -c 'discard -q 1M 1M' -c flush "$u"
matches 'Zero id=.* offset=0x0 count=0x10000' log
grep 'Zero .*offset=0x0 ' log | grep -q 'trim=1' &&
    fail 'zeros that may not be a hole were asked for as one'
grep 'Zero .*offset=0x10000 ' log | grep -q 'trim=1' ||
    fail 'zeros that may be a hole were not asked for as one'
matches 'Trim id=.* offset=0x100000 count=0x100000' log
same_text 1 "$(grep -c ' Flush id=' log)" 'number of flushes'
end_server

# Nothing was written: nothing is flushed.
rm log
nbdkit_at s --filter=log memory 64M logfile=log
"$COWBIRD_IO" -f raw -c 'read -q 0 64k' -c flush "$u"
! grep -q Flush log || fail 'a flush of nothing'
quiet "$COWBIRD_IMG" convert -m 4 -f raw "$u" out
# Large ranges are asked for at once.
same_text 1 "$(grep -c ' Extents id=' log)" 'number of extents requests'
end_server

random_file src 64M
for mode in auto disable; do
	rm -f log
	nbdkit_at s --filter=log --filter=multi-conn --filter=delay -r file \
	    src multi-conn-mode="$mode" rdelay=20ms logfile=log
	quiet "$COWBIRD_IMG" convert -m 4 -W -f raw "$u" out
	same_file src out
	n=$(grep -c 'Connect ' log)
	if [ "$mode" = disable ]; then
		same_text 1 "$n" connections
	elif [ "$n" -lt 3 ] || [ "$n" -gt 4 ]; then
		fail "$n connections for four threads"
	fi
	end_server
done
