#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# commit, rebase and convert -B on random chains of mixed cluster sizes,
# lengths and versions: the top reads the same afterwards, and so does, after
# a commit, the image that received.
. "$(dirname "$0")/../lib.sh"
requires_oracle

RANDOM=${SEED:-1}
pick() {
	local n=$((RANDOM % $#))
	shift $n
	echo "$1"
}

# layer NAME [BACKING FMT]
layer() {
	local size off len i options commands=()
	size=$(((RANDOM % 40 + 1) * 65536 + $(pick 0 0 512 4608)))
	options=$(pick cluster_size=512 cluster_size=4k cluster_size=64k \
	    cluster_size=64k,extended_l2=on cluster_size=2M \
	    cluster_size=2M,extended_l2=on cluster_size=64k,compat=0.10)
	"$QEMU_IMG" create -q -f qcow2 ${2+-b "$2" -F "$3"} -o "$options" \
	    "$1" $size
	for ((i = RANDOM % 12; i > 0; i--)); do
		off=$(((RANDOM * 32768 + RANDOM) % (size / 512) * 512))
		len=$(pick 512 4096 65536 200704)
		[ $((off + len)) -le $size ] || len=$((size - off))
		commands+=(-c "$(pick "write -P $((RANDOM % 255 + 1))" \
		    "write -P $((RANDOM % 255 + 1))" 'write -z' \
		    'write -P 0') $off $len")
	done
	[ ${#commands[@]} -eq 0 ] ||
	    "$QEMU_IO" -f qcow2 "${commands[@]}" "$1" >/dev/null
}

# reads_as NAME FILE: the front of image NAME reads as the raw FILE.
reads_as() {
	"$QEMU_IMG" convert -f qcow2 -O raw "$1" now
	cmp -n "$(stat -c %s "$2")" now "$2" >&2 ||
	    fail "round $round: $what: $1 has changed"
}

for ((round = 1; round <= ${ROUNDS:-30}; round++)); do
	rm -f l? new
	n=$((RANDOM % 3 + 2))
	layer l0
	for ((i = 1; i < n; i++)); do
		layer l$i l$((i - 1)) qcow2
	done
	top=l$((n - 1))
	below=l$((RANDOM % (n - 1)))
	"$QEMU_IMG" convert -f qcow2 -O raw $top want
	what=$(pick commit commit-to rebase rebase rebase-alone convert)
	case $what in
	commit)
		"$COWBIRD_IMG" commit -q -f qcow2 $top
		reads_as l$((n - 2)) want
		"$QEMU_IMG" map --output=json $top >map
		! grep -q '"depth": 0, "present": true' map ||
		    fail "round $round: not emptied"
		;;
	commit-to)
		"$COWBIRD_IMG" commit -q -f qcow2 -b $below $top
		reads_as $below want
		;;
	rebase) "$COWBIRD_IMG" rebase -b $below -F qcow2 $top ;;
	rebase-alone)
		layer new
		"$COWBIRD_IMG" rebase -b "$(pick new '')" -F qcow2 $top
		;;
	convert)
		"$COWBIRD_IMG" convert -O qcow2 -B $below -F qcow2 $top new
		top=new
		;;
	esac
	reads_as $top want
	for image in l?; do
		"$QEMU_IMG" check -q -f qcow2 $image ||
		    fail "round $round: $what: check $image"
	done
done
