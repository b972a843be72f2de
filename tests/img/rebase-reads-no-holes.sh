#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A rebase of 16 TiB of nothing takes no time: maps are walked, holes are not
# read; and what both chains share is not read either.
. "$(dirname "$0")/../lib.sh"
requires strace
cowbird() {
	timeout 10 "$COWBIRD_IMG" "$@"
}

cowbird create -q -f qcow2 base 16T
cowbird create -q -f raw flat 1T
cowbird create -q -f qcow2 -b base -F qcow2 over
cowbird create -q -f qcow2 -b flat -F raw over2
cowbird rebase -b '' over
cowbird rebase -b flat -F raw over
cowbird rebase -b base -F qcow2 over2
[ "$(stat -c %b over over2 | paste -sd+ | bc)" -lt 4096 ] || fail "it grew"

random_file data 16777216
cowbird convert -f raw -O qcow2 data base
cowbird create -q -f qcow2 -b base -F qcow2 mid
cowbird create -q -f qcow2 -b mid -F qcow2 top
strace -f -o trace -e trace=preadv,pread64,preadv2 "$COWBIRD_IMG" rebase \
    -b base -F qcow2 top || skip "strace does not work here"
awk '{ n += $NF } END { exit n > 4 * 1024 * 1024 }' trace ||
    fail "shared data was read"
