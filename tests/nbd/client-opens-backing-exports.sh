#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An export may be under an overlay: followed when that is allowed (H3), never
# for a relative name found inside an export.
. "$(dirname "$0")/client.inc"
requires nbdkit
requires_oracle
peer_names

random_file base 5M
nbdkit_at s file base
u=$(uri "$PWD/s")
quiet "$COWBIRD_IMG" create -q -f qcow2 -b "$u" -F raw over
fails_with 64 'refused to follow' "$COWBIRD_IMG" convert over out
quiet "$COWBIRD_IMG" convert --allow-external over out
same_file base out
quiet "$COWBIRD_IO" --allow-external -c 'write -q -P 5 1M 64k' over
quiet "$PEER_IMG" convert over out
quiet "$QEMU_IMG" convert over expected
same_file expected out
same_text "$("$QEMU_IMG" map --output=json over)" \
    "$("$PEER_IMG" map --output=json over)" map
quiet "$COWBIRD_IMG" rebase --allow-external -b '' over
quiet "$COWBIRD_IMG" compare -q -f qcow2 -F raw over expected

# Committed into the export.
quiet "$COWBIRD_IMG" create -q -f qcow2 -b "$u" -F raw top
quiet "$COWBIRD_IO" --allow-external -c 'write -q -P 6 2M 64k' top
quiet "$COWBIRD_IMG" commit -q --allow-external top
quiet "$COWBIRD_IO" -f raw -c 'read -q -P 6 2M 64k' "$u"

# A relative name: there is a file of that name in the current folder.
quiet "$COWBIRD_IMG" create -q -f qcow2 -b base -F raw inner
nbdkit_at t file inner
"$COWBIRD_IMG" info "$(uri "$PWD/t")" >/dev/null
fails_with 1 "'base' is relative" "$COWBIRD_IMG" convert "$(uri "$PWD/t")" out
fails_with 1 "'base' is relative" "$PEER_IMG" convert "$(uri "$PWD/t")" out
