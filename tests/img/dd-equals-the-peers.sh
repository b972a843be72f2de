#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# dd makes the peer's outputs and says what it says; but a count no larger
# than skip copies (the peer's mistake), and without of= raw goes to a pipe.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

random_file r 10000
random_file m 1048576
"$QEMU_IMG" convert -f raw -O qcow2 m q
cp r m q theirs
cp r m q ours

for args in '' 'bs=1000' 'bs=1000 count=3' 'bs=1000 count=20 skip=3' \
    'bs=1000 skip=30' 'bs=1000 count=0' 'bs=100' 'bs=1M bs=512 count=1' \
    'bs=1k skip=2k'; do
	# shellcheck disable=SC2086
	apart dd -f raw $args if=r of=out
	same_file theirs/out ours/out
	case $args in *count*skip*) continue ;; esac	# the peer's mistake
	# shellcheck disable=SC2086
	apart dd -f raw -O qcow2 $args if=m of=out
	"$QEMU_IMG" compare -q theirs/out ours/out ||
	    fail "dd $args: contents"
	same_text "$(cd theirs && "$QEMU_IMG" info out | grep virtual)" \
	    "$(cd ours && "$QEMU_IMG" info out | grep virtual)"
done
cd ours
same_as_peer dd of=out
for args in if= foo foo=1 bs=0 bs=x bs=-1 bs=3G count=x count=-1 \
    skip=x if=missing '-f nosuch' of=folder/x of=/tmp \
    '--image-opts -f raw'; do
	# shellcheck disable=SC2086
	same_as_peer dd if=r of=out $args
done
cd ..
no_difference

"$COWBIRD_IMG" dd -f raw bs=1000 count=2 skip=5 if=r of=out
head -c 2000 out | cmp - <(tail -c +5001 r | head -c 2000)
"$COWBIRD_IMG" dd if=q bs=64k count=2 skip=3 >out
same_file out <(tail -c +196609 m | head -c 131072)
"$COWBIRD_IMG" dd if=q of=- bs=1M | same_file - m
"$COWBIRD_IMG" dd if=q bs=1M 2>stderr | head -c 1 >/dev/null || true
[ ! -s stderr ] || fail "a reader who leaves is not quiet"
[ ! -c /dev/full ] ||
    fails_with 1 'No space left' sh -c '"$1" dd if=q >/dev/full' - "$COWBIRD_IMG"
fails_with 1 'raw' "$COWBIRD_IMG" dd -O qcow2 if=q
