#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The partition files of a folder are the partitions sfdisk finds, in place and
# size, for tables of both kinds: scattered, logical, many, damaged, 4096.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
PATH=$PATH:/sbin:/usr/sbin
requires sfdisk python3

mkdir dir
# Lines "NUMBER START SECTORS" of sfdisk, without the extended ones.
oracle() {
	sfdisk --json "$1" 2>/dev/null >table || true
	python3 - "$1" <<'END' | sort -n
import json, re, sys
text = open('table').read()
t = json.loads(text)['partitiontable'] if text else {}
unit = t.get('sectorsize', 512) // 512
for p in t.get('partitions', []):
    if t['label'] == 'dos' and p['type'] in ('5', 'f', '85'):
        continue
    number = re.fullmatch(re.escape(sys.argv[1]) + r'(\d+)', p['node'])[1]
    print(number, p['start'] * unit, p['size'] * unit)
END
}
# The same of what is shown: where each begins is told by what the disk has.
shown() {
	local f
	for f in dir/p[0-9]*; do
		[ -e "$f" ] || continue
		echo "${f#dir/p}" "$(od -A n -t u8 -N 8 "$f" | tr -d ' ')" \
		    $(($(stat -c %s "$f") / 512))
	done | sort -n
}
# Each sector that is no table begins with its number.
marked() {
	python3 - "$1" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    for line in open('expected'):
        n, start, size = map(int, line.split())
        f.seek(start * 512)
        f.write(struct.pack('<Q', start))
END
}
check() {
	oracle "$1" >expected
	marked "$1"
	show -f raw "$1" dir
	shown >found
	hide
	same_text "$(cat expected)" "$(cat found)" "$2"
}

n=0
try() {		# SIZE WHAT, the script of sfdisk on stdin
	n=$((n + 1))
	rm -f disk.raw
	truncate -s "$1" disk.raw
	sfdisk -q disk.raw >log 2>&1 || { cat log >&2; fail "sfdisk: $2"; }
	check disk.raw "$2"
	[ -s expected ] || fail "nothing to compare: $2"
}
try 64M 'gpt, one' <<<$'label: gpt\n2048,'
try 64M 'gpt, gaps and order' <<'END'
label: gpt
disk.raw7 : start=40000, size=1000
disk.raw2 : start=2048, size=8
disk.raw128 : start=90000, size=30
disk.raw1 : start=50001, size=999
END
{ echo label: gpt; for i in {1..128}; do echo ",8"; done; } >many
try 64M 'gpt, 128' <many
{ echo label: gpt; echo table-length: 300; for i in {1..200}; do echo ",8"; done; } >many
try 600M 'gpt, 300 entries' <many
try 64M 'mbr, four' <<'END'
label: dos
2048,1000,83,*
4096,1000,c
8192,1000,82
10240,,83
END
try 64M 'mbr, gaps' <<'END'
label: dos
disk.raw2 : start=4096, size=1000, type=83
disk.raw4 : start=2048, size=1000, type=7
END
for type in 5 f; do
	{ echo label: dos; echo "2048,1000"; echo "4096,,$type"
	  for i in {1..20}; do echo ",1000"; done; } >many
	try 128M "mbr, logical in $type" <many
done
sfdisk -q --delete disk.raw 9 12 >/dev/null
check disk.raw 'mbr, logical ones removed'
try 64M 'mbr, logical only' <<'END'
label: dos
disk.raw3 : start=2048, size=100000, type=5
disk.raw5 : start=4096, size=1000, type=83
disk.raw6 : start=50000, size=1000, type=83
END

# Damaged: the copy at the end is used, and the other way round.
gpt() {
	rm -f disk.raw
	truncate -s 64M disk.raw
	printf 'label: gpt\n2048,4096\n,8192\n' | sfdisk -q disk.raw
}
poke() {
	printf '\x5a' | dd of=disk.raw bs=1 seek="$1" conv=notrunc status=none
}
gpt; poke 600; check disk.raw 'gpt, first header damaged'
[ "$(wc -l <found)" -eq 2 ] || fail "the copy is not used"
gpt; poke 1100; check disk.raw 'gpt, first entries damaged'
[ "$(wc -l <found)" -eq 2 ] || fail "the copy is not used"
gpt; poke $((67108864 - 500)); check disk.raw 'gpt, second header damaged'
# sfdisk then shows what protects the table as a partition, kernels nothing.
gpt; poke 600; poke $((67108864 - 500))
show -f raw disk.raw dir
[ "$(shown)" = "" ] || fail "a damaged table is used"
hide
gpt; poke 450; check disk.raw 'gpt, its mbr says something else'
truncate -s 1M disk.raw; mkfs.ext4 -q -F disk.raw 2>/dev/null || true
check disk.raw 'a file system without a table'

# Whatever numbers there are.
for seed in {1..8}; do
	python3 - "$seed" >script <<'END'
import random, sys
r = random.Random(int(sys.argv[1]))
gpt = r.random() < .5
at, lines = 2048, []
for i in range(r.randrange(1, 20) if gpt else r.randrange(1, 5)):
    at += r.randrange(0, 3000)
    size = r.randrange(1, 5000)
    kind = '' if gpt else ', type=%x' % r.choice([0x83, 7, 0xc, 0x82])
    lines.append('start=%d, size=%d%s' % (at, size, kind))
    at += size
r.shuffle(lines)
print('label:', 'gpt' if gpt else 'dos')
print('\n'.join(lines))
END
	try 80M "seed $seed" <script
done
[ $n -ge 16 ] || fail "only $n tables"

# Sectors of 4096 bytes: sfdisk sees a file in 512 only; the table is made here.
python3 - <<'END'
import struct, uuid, zlib
S = 4096
n = 16384
kind = uuid.UUID('0fc63daf-8483-4772-8e79-3d69d8477de4').bytes_le
parts = [(256, 511), (1000, 1000), (5000, n - 6)]
entries = b''.join(kind + uuid.UUID(int=i + 1).bytes_le +
                   struct.pack('<QQQ72x', a, b, 0)
                   for i, (a, b) in enumerate(parts)).ljust(128 * 128, b'\0')
def header(me, other, at):
    h = struct.pack('<8sIIIIQQQQ16sQIII', b'EFI PART', 0x10000, 92, 0, 0, me,
                    other, 6, n - 6, b'x' * 16, at, 128, 128,
                    zlib.crc32(entries))
    return h[:16] + struct.pack('<I', zlib.crc32(h)) + h[20:]
with open('disk.raw', 'w+b') as f:
    f.truncate(n * S)
    f.seek(446)
    f.write(struct.pack('<BBBBBBBBII', 0, 0, 2, 0, 0xee, 255, 255, 255, 1,
                        n - 1))
    f.seek(510)
    f.write(b'\x55\xaa')
    f.seek(S)
    f.write(header(1, n - 1, 2))
    f.seek(2 * S)
    f.write(entries)
    f.seek((n - 5) * S)
    f.write(entries)
    f.write(header(n - 1, 1, n - 5))
with open('expected', 'w') as f:
    for i, (a, b) in enumerate(parts):
        print(i + 1, a * 8, (b - a + 1) * 8, file=f)
END
for damage in '' 4100; do
	[ -z "$damage" ] || poke $damage
	marked disk.raw
	show -f raw disk.raw dir
	shown >found
	hide
	same_text "$(cat expected)" "$(cat found)" "sectors of 4096"
done
