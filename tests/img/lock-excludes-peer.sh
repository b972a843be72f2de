#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Our tools and the peer's refuse each other an image in the same cases in
# which the peer's refuse it to each other.
. "$(dirname "$0")/../lib.sh"
requires_oracle
requires "$COWBIRD_IMG" "$COWBIRD_IO"

# hold IO FLAG...: keeps the image open until let_go.
hold() {
	local io=$1 i
	shift
	"$io" -f qcow2 "$@" -c 'sleep 30000' image >/dev/null 2>&1 &
	holder=$!
	for ((i = 0; i < 200; i++)); do
		if cat "/proc/$holder/fdinfo/"* 2>/dev/null | grep -q '^lock:'
		then
			# The last step of an open is to look for others.
			sleep 0.2
			return
		fi
		sleep 0.05
	done
	fail "$io $* does not hold the image"
}

let_go() {
	[ -n "$holder" ] || return 0
	kill -KILL "$holder" 2>/dev/null || true
	wait "$holder" 2>/dev/null || true
	holder=
}
holder=
cleanup_fn let_go

# attempts IMG IO: one word for each way to open the image.
attempts() {
	local img=$1 io=$2 name cmd
	while IFS=: read -r name cmd; do
		# shellcheck disable=SC2086
		if $cmd >stdout 2>stderr </dev/null; then
			echo "$name: yes"
		elif grep -Eq 'Failed to get (shared )?"[a-z ]+" lock' stderr
		then
			echo "$name: no, $(grep -Eo \
			    'Failed to get (shared )?"[a-z ]+" lock' stderr |
			    head -n 1)"
		else
			cat stderr >&2
			fail "$cmd: neither done nor refused"
		fi
	done <<EOF
write:$io -f qcow2 -c quit image
read:$io -f qcow2 -r -c quit image
share:$io -f qcow2 -r -U -c quit image
info:$img info image
info -U:$img info -U image
check:$img check -f qcow2 image
resize:$img resize -f qcow2 image +1M
source:$img convert -f qcow2 -O raw image copy
create:$img create -f qcow2 image 1M
target:$img convert -f raw -O qcow2 source image
EOF
}

truncate -s 1M source
for flags in "" "-r" "-r -U"; do
	for held_by in "$QEMU_IO" "$COWBIRD_IO"; do
		for side in qemu cowbird; do
			"$QEMU_IMG" create -q -f qcow2 image 1M
			# shellcheck disable=SC2086
			hold "$held_by" $flags
			if [ $side = qemu ]; then
				attempts "$QEMU_IMG" "$QEMU_IO" >got
			else
				attempts "$COWBIRD_IMG" "$COWBIRD_IO" >got
			fi
			let_go
			if [ "$held_by$side" = "$QEMU_IO"qemu ]; then
				mv got want
				continue
			fi
			same_text "$(cat want)" "$(cat got)" \
			    "held by ${held_by##*/} $flags, wanted by $side"
		done
	done
done
