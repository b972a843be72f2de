#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every option that cowbird-fuse's help shows is in its page, the page describes
# no other, and the completion offers them.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/docs/options.inc"
requires "$COWBIRD_FUSE"

page_options "$SRC/man/cowbird-fuse.1" "" >found
"$COWBIRD_FUSE" --help | help_options >options
same_options options found
in_step

PATH=$(dirname "$COWBIRD_FUSE"):$PATH
set +eE +o pipefail +u
. "$SRC/man/completions/cowbird-tools.bash"
trap - ERR
COMP_WORDS=(cowbird-fuse --gr) COMP_CWORD=1 COMPREPLY=()
_cowbird_tool
[ "${COMPREPLY[*]}" = --growable ] || fail "offers ${COMPREPLY[*]}"
COMP_WORDS=(cowbird-fuse --discard '') COMP_CWORD=2 COMPREPLY=()
_cowbird_tool
[ "${COMPREPLY[*]}" = 'unmap ignore' ] || fail "offers ${COMPREPLY[*]}"
