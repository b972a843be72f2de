#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is read is never the target of the same command, by whatever name, with
# or without locks: not the source, nor what lies under it, nor a data file;
# and no new image takes the place of its own backing file.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/faults/faults.inc"
peer_names

"$COWBIRD_IMG" create -q -f qcow2 base.before 4M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 1M' base.before
cp base.before base
"$COWBIRD_IMG" create -q -f qcow2 -b base -F qcow2 over.before
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 2 500k 1M' over.before
"$COWBIRD_IMG" create -q -f qcow2 -o data_file=data split 4M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 3 0 1M' split
cp split split.before
cp data data.before
cp over.before over
ln base hard
ln -s base soft
mkdir folder

untouched() {
	local file
	for file in base over split data; do
		same_file $file.before $file
	done
	[ ! -e new ] || fail "something is left"
}
while read -r code command; do
	# shellcheck disable=SC2086
	one_line "$code" . "$COWBIRD_IMG" $command
	untouched
	# Under the peer's name locks say it; where there are none, we do.
	# shellcheck disable=SC2086
	fails_with "$code" . "$PEER_IMG" $command
	untouched
done <<'END'
1 convert -O qcow2 base base
1 convert -O raw base ./base
1 convert -O raw base folder/../base
1 convert -O raw base hard
1 convert -O raw base soft
1 convert -c -O qcow2 over base
1 convert -O qcow2 over split base
1 convert -O raw over hard
1 convert -n -O qcow2 over base
1 convert -n -O qcow2 base base
1 convert -O raw split data
1 convert -O qcow2 -o data_file=base over new
1 convert -O qcow2 -o data_file=new base new
1 convert -U -O qcow2 base base
1 convert -U -O raw base hard
1 convert -U -O raw over base
1 convert -U -n -O qcow2 over base
1 convert -U -O raw split data
1 convert -U -O qcow2 -o data_file=base over new
1 convert -U -n --target-image-opts over driver=qcow2,file.filename=base
1 dd if=base of=base
1 dd if=over of=base
1 dd -U if=base of=soft
1 dd -U if=over of=hard
1 dd -U -O qcow2 if=split of=data
1 create -f qcow2 -b base -F qcow2 base
1 create -f qcow2 -b base -F qcow2 ./base
1 create -f qcow2 -b base -F qcow2 hard
1 create -f qcow2 -b soft -F qcow2 base
1 create -f qcow2 -b over -F qcow2 base
1 create -f qcow2 -b split -F qcow2 data
1 create -f qcow2 -u -b base -F qcow2 hard 1M
1 create -f qcow2 -b over -F qcow2 -o data_file=base new
1 create -f qcow2 -b base -F qcow2 -o data_file=base new
1 create -f qcow2 -u -b base -F qcow2 -o data_file=hard new 1M
1 create -f qcow2 -o data_file=new new 1M
1 rebase -b over -F qcow2 over
1 rebase -u -b over -F qcow2 over
1 rebase -u -b ./over -F qcow2 over
1 rebase -u -b soft -F qcow2 base
1 commit -b over over
END
