#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The bash completion offers commands, options and files, taken from the
# tools' own help; the other shells' files parse where the shell is installed.
. "$(dirname "$0")/../lib.sh"

cd "$SRC/man/completions"
for shell in bash zsh fish; do
	for tool in img io nbd; do
		[ -f "cowbird-$tool.$shell" ] || fail "no completion for $shell"
		! command -v $shell >/dev/null || $shell -n "cowbird-$tool.$shell"
	done
done

PATH=$(dirname "$COWBIRD_IMG"):$PATH
# complete_for FUNCTION WORD...: what is offered for the last word.
complete_for() {
	local fn=$1
	shift
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	$fn
	printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}
}
set +eE +o pipefail +u
. ./cowbird-img.bash
. ./cowbird-io.bash
cd "$TEST_TMP"
touch disk.qcow2
trap - ERR
complete_for _cowbird_img cowbird-img con | grep -qx convert ||
    fail "no commands"
complete_for _cowbird_img cowbird-img convert --tar | grep -qx -e --target-is-zero ||
    fail "no options"
complete_for _cowbird_img cowbird-img convert -O qc | grep -qx qcow2 ||
    fail "no formats"
complete_for _cowbird_img cowbird-img info di | grep -qx disk.qcow2 ||
    fail "no files"
complete_for _cowbird_io cowbird-io --cm | grep -qx -e --cmd ||
    fail "no options of cowbird-io"
