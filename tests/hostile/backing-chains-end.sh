#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A chain of backing files that comes back to itself is refused at once by
# every command, and the loop is named; 200 layers are served, 201 are not.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
peer_names

chain() {
	"$COWBIRD_IMG" create -q -u -f qcow2 -b "$2" -F qcow2 "$1" 1M
}
"$COWBIRD_IMG" create -q -f qcow2 good 1M
chain ./self self
chain a b
chain b c
chain c a
ln -s self link
chain ./linked link
ln -sf linked link
mkdir folder
chain folder/up ../folder/up

for file in self a linked folder/up; do
	cp -r "$file" before
	while read -r code command; do
		for tool in "$COWBIRD_IMG" "$PEER_IMG"; do
			# The peer says it in two lines.
			[[ $tool,$command != "$PEER_IMG",create* ]] || continue
			# shellcheck disable=SC2086
			refused "$code" "backing chain loops: '.*'|'.*' creates an infinite loop" \
			    "$tool" $command
		done
	done <<-END
	1 map $file
	1 convert -O raw $file out
	1 measure -O raw $file
	2 compare $file good
	2 compare good $file
	1 info --backing-chain $file
	1 resize $file 2M
	1 rebase -b good -F qcow2 $file
	1 commit $file
	1 commit -b good $file
	1 dd if=$file of=out
	1 bench -c 1 $file
	1 create -f qcow2 -b $file -F qcow2 out
	END
	refused 1 'the backing chain loops' "$COWBIRD_IO" -c 'write 0 4k' $file
	refused 1 'the backing chain loops' "$COWBIRD_IO" -r -c 'read 0 4k' $file
	# What looks at one file, and the way out of it.
	for command in info check "rebase -u -b $PWD/good -F qcow2"; do
		# shellcheck disable=SC2086
		[[ $command != rebase* ]] || same_file before "$file"
		bounded 5 "$COWBIRD_IMG" $command "$file"
		[ $rc -eq 0 ] || { cat stderr >&2; fail "$command $file: $rc"; }
	done
	bounded 5 "$COWBIRD_IMG" map "$file"
	[ $rc -eq 0 ] || fail "$file is not on another chain"
	[ ! -e out ] || fail "a target was made"
done

"$COWBIRD_IMG" create -q -f qcow2 1 1M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 7 0 64k' 1
for ((i = 2; i <= 201; i++)); do
	chain $i $((i - 1))
done
quiet "$COWBIRD_IMG" convert -O raw 200 out
"$COWBIRD_IO" -r -f raw -c 'read -q -P 7 0 64k' out
quiet "$COWBIRD_IMG" map --output=json 200 >/dev/null
quiet "$COWBIRD_IMG" info --backing-chain 200 >chain
[ "$(grep -c '^image: ' chain)" -eq 200 ] || fail "info shows not 200 layers"
rm out
refused 1 'more than 200 layers' "$COWBIRD_IMG" convert -O raw 201 out
refused 1 'more than 200 layers' "$COWBIRD_IMG" map 201
refused 1 'more than 200 layers' "$COWBIRD_IMG" resize 201 2M
refused 1 'more than 200 layers' "$COWBIRD_IMG" info --backing-chain 201
[ ! -e out ] || fail "a target was made of 201 layers"
quiet "$COWBIRD_IMG" info 201 >/dev/null
