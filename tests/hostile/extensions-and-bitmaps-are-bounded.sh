#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Header extensions end within the header's cluster and occur once; the
# directory of bitmaps is held to its limits and to the file; without their
# bit the bitmaps are not looked at.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
peer_names
limit_memory 262144

"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=4k good 1M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 128k' good
dd if=/dev/zero of=good bs=4096 count=1 oflag=append conv=notrunc status=none
directory=$(($(stat -c %s good) / 4096 * 4096 - 4096))
# No extensions: a clean start behind a header of 104 bytes.
put good $H_HEADER_LEN 4 104
head -c 3992 /dev/zero | bytes_at good 104

# extension TYPE LENGTH: at $at of ./bad, which it moves.
extension() {
	put bad $at 4 "$1"
	put bad $((at + 4)) 4 "$2"
	at=$((at + 8 + ($2 + 7) / 8 * 8))
}
start() {
	cp good bad
	at=104
}
# opens NAME, fails NAME PATTERN: what comes of ./bad.
opens() {
	local tool
	for tool in "$COWBIRD_IMG" "$PEER_IMG"; do
		bounded 5 "$tool" info -f qcow2 bad
		[ $rc -eq 0 ] || { cat stderr >&2; fail "$1 does not open"; }
		bounded 5 "$tool" map -f qcow2 bad
		[ $rc -eq 0 ] || { cat stderr >&2; fail "$1 has no map"; }
	done
}
fails() {
	cp bad before
	refused 1 "^cowbird-img: bad: .*$2" "$COWBIRD_IMG" info -f qcow2 bad
	bounded 5 "$PEER_IMG" info -f qcow2 bad
	[ $rc -eq 1 ] || fail "$1: the peer's name takes it"
	bounded 5 "$COWBIRD_IO" -f qcow2 -c 'write 0 4k' -c 'write 512k 64k' bad
	[ $rc -eq 1 ] || fail "$1: is written to"
	words=100000 bounded 5 "$COWBIRD_IMG" check -f qcow2 bad
	[ $rc -ne 0 ] || fail "$1: check likes it"
	same_file before bad
}
data_file=0x44415441 format_name=0xe2792aca names=0x6803f857
bitmaps=0x23852875

start
for type in 1 2 3 0x12345678 0xffffffff $names $bitmaps; do
	extension $type 24
done
opens "unknown extensions"
start
extension 0x12345678 0xffffffff
fails long-2-32 'too large'
start
extension 0x12345678 3985
fails one-too-long 'too large'
start
extension 0x12345678 3984
opens "the longest extension"
for type in 0x12345678 $format_name $names $bitmaps $data_file; do
	start
	extension $type 8
	extension $type 8
	fails twice-$type 'occurs twice'
done
start
for ((i = 0; i < 498; i++)); do
	extension $((0x10000 + i)) 0
done
opens "as many as fit"
# A name of a format that nobody can have.
start
extension $format_name 3900
opens "a format's name without a backing file"
# Names of features without an end, which a message would show.
start
extension $names 96
head -c 96 /dev/zero | tr '\0' A | bytes_at bad 112
put bad 112 2 63
put bad 160 2 62
put bad $H_INCOMPATIBLE 8 0xc000000000000000
fails unended-names 'Unsupported qcow2 feature'

# bitmaps COUNT DIRECTORY_LENGTH DIRECTORY_OFFSET, with the bit.
bitmaps() {
	start
	extension $bitmaps 24
	put bad 112 4 "$1"
	put bad 120 8 "$2"
	put bad 128 8 "$3"
	put bad $H_AUTOCLEAR 8 1
}
# An entry: TABLE_OFFSET TABLE_SIZE FLAGS TYPE GRANULARITY NAME_LEN EXTRA NAME
entry() {
	put bad "$directory" 8 "$1"
	put bad $((directory + 8)) 4 "$2"
	put bad $((directory + 12)) 4 "$3"
	put bad $((directory + 16)) 1 "$4"
	put bad $((directory + 17)) 1 "$5"
	put bad $((directory + 18)) 2 "$6"
	put bad $((directory + 20)) 4 "$7"
	printf %s "$8" | bytes_at bad $((directory + 24))
}
bitmaps 0 32 $directory
fails no-bitmaps 'bitmaps'
bitmaps 0xffffffff 32 $directory
fails bitmaps-2-32 'bitmaps'
bitmaps 65536 $((64 << 20)) $directory
fails bitmaps-65536 'bitmap'
bitmaps 1 $((1 << 40)) $directory
fails directory-2-40 'directory'
bitmaps 1 0xffffffffffffffff $directory
fails directory-2-64 'directory'
bitmaps 1 $((64 << 20)) $directory
fails directory-64-mib 'directory'
bitmaps 1 32 $((1 << 50))
fails directory-past-end 'directory'
bitmaps 1 32 0xfffffffffffff000
fails directory-wraps 'directory'
bitmaps 1 32 $((directory + 8))
fails directory-unaligned 'directory'
bitmaps 1 0 $directory
fails directory-empty 'itmap'
bitmaps 2 32 $directory
entry 4096 1 0 1 16 4 0 name
fails one-is-missing 'itmap'
bitmaps 1 64 $directory
entry 4096 1 0 1 16 4 0 name
fails one-too-many 'itmap'
for lie in '1 1 0 1 16 4 0' '0 1 0 1 16 4 0' '4096 0 0 1 16 4 0' \
    '4096 0xffffffff 0 1 16 4 0' '0x8000000000000000 1 0 1 16 4 0' \
    '4096 1 0xfffffff0 1 16 4 0' '4096 1 0 0 16 4 0' '4096 1 0 2 16 4 0' \
    '4096 1 0 1 0 4 0' '4096 1 0 1 8 4 0' '4096 1 0 1 32 4 0' \
    '4096 1 0 1 64 4 0' '4096 1 0 1 255 4 0' '4096 1 0 1 16 0 0' \
    '4096 1 0 1 16 1024 0' '4096 1 0 1 16 65535 0' \
    '4096 1 0 1 16 4 0xffffffff' '4096 1 0 1 16 4 0xfffffffc' \
    '0xfffffffffffff000 0x40000 0 1 16 4 0'; do
	bitmaps 1 32 $directory
	# shellcheck disable=SC2086
	entry $lie name
	fails "entry $lie" 'itmap'
done

# Without the bit nothing of this is looked at.
bitmaps 0xffffffff $((1 << 40)) $((1 << 50))
put bad $H_AUTOCLEAR 8 0
opens "stale bitmaps"
quiet "$COWBIRD_IO" -f qcow2 -c 'write -q 0 4k' -c 'write -q 512k 64k' bad

# The table of a bitmap that is to be kept up to date by writes lies.
for table in 0 "$((1 << 40))" 4096; do
	bitmaps 1 32 $directory
	entry "$table" 1 2 1 16 4 0 name
	cp bad before
	bounded 5 "$COWBIRD_IO" -f qcow2 -c 'write 512k 64k' -c flush bad
	{ cmp -l -n 16384 before bad 2>/dev/null || true; } >changes
	awk "\$1 != 80 && \$1 <= 4096 { bad = 1 } END { exit bad }" changes ||
	    fail "the header is written over"
	bounded 5 "$COWBIRD_IMG" info -f qcow2 bad
done
