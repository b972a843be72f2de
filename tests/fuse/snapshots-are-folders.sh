#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each internal snapshot is a folder with the disk and its partitions as they were,
# whatever it is called, also while the live disk is written.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
requires_oracle
PATH=$PATH:/sbin:/usr/sbin
requires sfdisk

mkdir dir
touch mnt
"$QEMU_IMG" create -q -f qcow2 disk.qcow2 16M
truncate -s 16M table
printf 'label: gpt\n2048,4096\n8192,4096\n' | sfdisk -q table
"$QEMU_IMG" convert -q -n -f raw -O qcow2 table disk.qcow2
names=('one' 'a/b' '..' '.' '' 'two~2' 'one' $'new\nline' 'one' 'blank s' 'a,b,,c'
    "$(printf 'x%.0s' {1..255})")
n=0
for name in "${names[@]}"; do
	n=$((n + 1))
	"$QEMU_IO" -f qcow2 -c "write -q -P $n 1M 1M" disk.qcow2
	"$QEMU_IMG" snapshot -c "$name" disk.qcow2 2>/dev/null || {
		# It takes no name twice: rename it behind its back.
		same=$(printf '%03d' $n)
		"$QEMU_IMG" snapshot -c "$same" disk.qcow2
		python3 - "$same" "$name" <<'END'
import sys
old, new = sys.argv[1].encode(), sys.argv[2].encode()
data = open('disk.qcow2', 'rb').read()
at = data.rindex(old)
assert len(old) == len(new)
open('disk.qcow2', 'r+b').write(data[:at] + new + data[at + len(old):])
END
	}
done
"$QEMU_IO" -f qcow2 -c "write -q -P 99 1M 1M" disk.qcow2

byte() {
	od -A n -t u1 -N 1 "$1" | tr -d ' '
}
show --writable disk.qcow2 dir
dd if=/dev/zero of=dir/p1 bs=64k count=4 conv=notrunc status=none
same_text 'disk disk.json p1 p2 snapshots' "$(ls dir | xargs)" "the folder"
n=$(find dir/snapshots -mindepth 1 -maxdepth 1 -print0 | tr -dc '\0' | wc -c)
[ "$n" -eq ${#names[@]} ] || { ls dir/snapshots; fail "$n snapshots"; }
seen=
for folder in dir/snapshots/* dir/snapshots/.[!.]* dir/snapshots/..?*; do
	[ -d "$folder" ] || continue
	same_text 'disk p1 p2' "$(ls "$folder" | xargs)" "$folder"
	# The first partition begins at 1M.
	number=$(byte "$folder/p1")
	[ "$(stat -c '%s %a' "$folder/p1")" = '2097152 400' ] ||
	    fail "$(stat "$folder/p1")"
	cmp -s <(dd if="$folder/disk" bs=1M skip=1 count=2 status=none) \
	    "$folder/p1" || fail "$folder: disk and partition differ"
	! : 2>/dev/null >>"$folder/disk" || fail "written"
	seen+=" $number"
done
same_text "$(seq -s ' ' ${#names[@]})" \
    "$(tr ' ' '\n' <<<$seen | sort -n | xargs)" "what they have"
[ "$(byte dir/snapshots/one/disk)" = 0 ] || fail "no sector 0"
[ "$(byte "dir/snapshots/blank s/p1")" = 10 ] || fail "a plain name"
same_text "$("$COWBIRD_IMG" info -U --output=json disk.qcow2 |
    grep -v actual-size)" "$(grep -v actual-size dir/disk.json)" disk.json
# What is open stays while others are looked at.
exec 5<"dir/snapshots/blank s/p1"
ls dir/snapshots/*/p1 >/dev/null
cat dir/snapshots/*/p1 >/dev/null
[ "$(od -A n -t u1 -N 1 <&5 | tr -d ' ')" = 10 ] || fail "closed"
exec 5<&-
hide
"$COWBIRD_IMG" check -q disk.qcow2

# One alone, onto a file.
show -l 'blank s' disk.qcow2 mnt
[ "$(dd if=mnt bs=1M skip=1 count=1 status=none | byte /dev/stdin)" = 10 ] ||
    fail "not that snapshot"
hide
fails_with 1 "nothing" "$COWBIRD_FUSE" -l nothing disk.qcow2 mnt

# Named by options, which are read again for each.
show --image-opts driver=qcow2,file.filename=disk.qcow2 dir
[ "$(byte "dir/snapshots/blank s/p1")" = 10 ] || fail "by options"
hide

# A snapshot is that of this image, not of what has its name now.
show disk.qcow2 dir
cp disk.qcow2 other && mv other disk.qcow2
! cat dir/snapshots/one/disk >/dev/null 2>&1 || fail "another file's"
kill $fuse_pid
wait $fuse_pid
matches 'replaced by another file' fuse.err
