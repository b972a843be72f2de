#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that writes an image's header to its raw disk gains nothing: -f raw
# is absolute, a disk that was guessed to be raw takes no such header, and a
# backing file without a recorded format is raw or is refused.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
peer_names

random_file secret 65536
"$COWBIRD_IMG" create -q -u -f qcow2 -b "$PWD/secret" -F raw trap 64k
head -c 512 trap >sector
truncate -s 1M disk

# A disk that was guessed: the first sector is guarded.
for io in "$COWBIRD_IO" "$PEER_IO"; do
	cp disk guessed
	bounded 5 "$io" -c "write -s sector 0 512" guessed
	[ $rc -eq 1 ] || fail "a guessed disk took a header"
	same_file disk guessed
	bounded 5 "$io" -c "write -s trap 0 4k" guessed
	[ $rc -eq 1 ] || fail "a guessed disk took a header in a longer write"
	bounded 5 "$io" -c "write -s sector 512 512" -c "write -P 1 0 512" \
	    -c "write -s sector 100 300" guessed
	[ $rc -eq 0 ] || { cat stderr >&2; fail "other writes are refused"; }
	# In pieces, too: the sector as it will be counts.
	cp disk guessed
	head -c 3 sector >start
	tail -c +4 sector >rest
	bounded 5 "$io" -c "write -s rest 3 509" -c "write -s start 0 3" guessed
	bounded 5 "$COWBIRD_IMG" info --output=json guessed
	matches '"format": "raw"' stdout
	# Who says raw means it.
	cp disk told
	quiet "$io" -f raw -c "write -q -s sector 0 512" told
	cmp -n 512 told sector || fail "-f raw keeps the header out"
done

# And now it is there: -f raw is absolute.
cp disk disk2
bytes_at disk2 0 <trap
cp disk2 before
"$COWBIRD_IMG" convert -f raw -O raw disk2 copy
same_file disk2 copy
for command in 'map -f raw disk2' 'info -f raw disk2' \
    'measure -f raw -O qcow2 disk2' 'bench -f raw -c 1 disk2' \
    'compare -f raw -F raw disk2 copy'; do
	# shellcheck disable=SC2086
	quiet "$COWBIRD_IMG" $command >said
	! grep secret said || fail "$command looks into a raw disk"
done
quiet "$COWBIRD_IMG" resize -q -f raw disk2 2M
quiet "$COWBIRD_IMG" resize -q -f raw --shrink disk2 1M
same_file before disk2

# As a backing file: with the format it is raw; without, refused.
"$COWBIRD_IMG" create -q -f qcow2 -b disk2 -F raw told 1M
quiet "$COWBIRD_IMG" convert -f qcow2 -O raw told copy
same_file disk2 copy
# Without a recorded format, as old tools have made them.
cp told untold
get untold $H_HEADER_LEN 4
at=$reply
get untold "$at" 4
[ $reply -eq $((0xe2792aca)) ] || fail "where is the format?"
put untold "$at" 4 0x01020304
bounded 5 "$COWBIRD_IMG" info untold
! grep 'backing file format' stdout || fail "it is still recorded"
for command in 'map untold' 'convert -O raw untold out' \
    'compare untold disk' 'commit untold' 'info --backing-chain untold' \
    'bench -c 1 untold' 'create -f qcow2 -b untold -F qcow2 out' \
    'resize untold 2M' 'rebase -b disk -F raw untold'; do
	# shellcheck disable=SC2086
	refused 64 'format is not recorded' "$COWBIRD_IMG" $command
	[ ! -e out ] || fail "a target was made: $command"
done
refused 64 'format is not recorded' "$COWBIRD_IO" -f qcow2 \
    -c 'write 0 512' untold
same_file before disk2
# What does look raw is fine; and the peer's name does as the peer.
cp disk disk2
quiet "$COWBIRD_IMG" compare -q -f qcow2 -F raw untold disk
cp before disk2
bounded 5 "$PEER_IMG" map untold
[ $rc -eq 0 ] || { cat stderr >&2; fail "the peer's name refuses it"; }
# No new ones are made.
refused 1 'without backing format' "$COWBIRD_IMG" create -f qcow2 -b disk2 out
[ ! -e out ] || fail "an overlay without a format"
refused 1 'format' "$COWBIRD_IMG" rebase -b disk -f qcow2 told
