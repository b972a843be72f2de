#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Files and folders that may not be read or written, that are none, or that
# are missing: one line with the system's reason, exit code 1, nothing made
# and nothing changed; and what only reads needs no right to write.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/faults/faults.inc"
# Root may do anything, unless these are taken away.
caps=-dac_override,-dac_read_search
if [ "$(id -u)" -eq 0 ] && [ -z "${TEST_WITHOUT_CAPS-}" ]; then
	requires setpriv
	drop=(setpriv --bounding-set=$caps --inh-caps=$caps)
	"${drop[@]}" true 2>/dev/null || skip "may not drop capabilities"
	TEST_WITHOUT_CAPS=1 exec "${drop[@]}" bash "$test_script"
fi

cleanup_fn chmod -R u+rwX .
denied='Permission denied'
"$COWBIRD_IMG" create -q -f qcow2 base 4M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 1M' base
"$COWBIRD_IMG" create -q -f qcow2 -b base -F qcow2 over
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 2 512k 1M' over
"$COWBIRD_IMG" create -q -f raw raw 4M
mkdir locked folder
cp base locked/image
cp base before
chmod 555 locked
chmod 444 base locked/image
: >unreadable
chmod 000 unreadable

# Reading needs no more.
for command in 'info base' 'map base' 'check base' 'compare base before' \
    'measure -O raw base' 'info over' 'map over' 'bench -c 1 base'; do
	# shellcheck disable=SC2086
	quiet "$COWBIRD_IMG" $command >/dev/null
done
quiet "$COWBIRD_IMG" convert -O raw over out
quiet "$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 1 0 512k' over
quiet "$COWBIRD_IO" -f qcow2 -c 'write -q -P 3 0 64k' over
rm out

while IFS='|' read -r pattern command; do
	# shellcheck disable=SC2086
	one_line 1 "^cowbird-img: .*$pattern" "$COWBIRD_IMG" $command
	[ ! -e new ] || fail "$command: something is made"
	same_file base before
	same_file locked/image before
done <<END
$denied|resize base 8M
$denied|resize --shrink base 1M
$denied|commit over
$denied|rebase -u -b over -F qcow2 base
$denied|check -r all base
$denied|bench -w -c 1 base
$denied|convert -n -O qcow2 raw base
$denied|convert -O qcow2 raw base
$denied|create -q -f qcow2 base 1M
$denied|dd if=raw of=base
$denied|create -q -f qcow2 locked/new 1M
$denied|create -q -f qcow2 -o data_file=locked/new new 1M
$denied|convert -O qcow2 raw locked/new
$denied|convert -O qcow2 raw locked/image
$denied|dd if=raw of=locked/new
$denied|info unreadable
$denied|convert -O raw unreadable new
$denied|create -q -f qcow2 -b unreadable -F raw new
$denied|rebase -b unreadable -F raw over
$denied|convert -O qcow2 -B unreadable -F raw raw new
directory|create -q -f qcow2 folder 1M
directory|convert -O qcow2 raw folder
directory|dd if=raw of=folder
regular file|info folder
regular file|map folder
regular file|check folder
regular file|resize folder 1M
regular file|convert -O raw folder new
regular file|create -q -f qcow2 -b folder -F raw new
No such file|info missing
No such file|check missing
No such file|resize missing 1M
No such file|commit missing
No such file|rebase -b base -F qcow2 missing
No such file|convert -O raw missing new
No such file|convert -n -O raw raw new
No such file|measure -O raw missing
No such file|bench missing
No such file|dd if=missing of=new
No such file|create -q -f qcow2 -b missing -F raw new
No such file|create -q -f qcow2 missing/new 1M
No such file|convert -O raw raw missing/new
No such file|rebase -b missing -F raw over
Not a directory|create -q -f raw base/new 1M
Not a directory|convert -O raw raw base/new
File name too long|create -q -f raw $(printf '%0300d' 0) 1M
END
one_line 2 "^cowbird-img: .*No such file" "$COWBIRD_IMG" compare raw missing
one_line 2 "^cowbird-img: .*$denied" "$COWBIRD_IMG" compare unreadable raw
one_line 1 "$denied" "$COWBIRD_IO" -f qcow2 -c 'write 0 512' base
one_line 1 'No such file' "$COWBIRD_IO" -f qcow2 -c 'write 0 512' missing
same_file base before

# The backing file is gone: what needs it says so, what does not works.
mv base base.away
cp over over.before
for command in 'map over' 'convert -O raw over new' 'commit over' \
    'rebase -b raw -F raw over' 'measure -O raw over' 'bench -c 1 over'; do
	# shellcheck disable=SC2086
	one_line 1 "backing file 'base'.*No such file" "$COWBIRD_IMG" $command
	[ ! -e new ] || fail "$command: something is made"
done
same_file over over.before
quiet "$COWBIRD_IMG" info over >/dev/null
quiet "$COWBIRD_IMG" check -q over
mv base.away base
