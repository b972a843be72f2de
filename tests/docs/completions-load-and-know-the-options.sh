#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The bash completion offers commands, options and files, taken from the
# tools' own help; the other shells' files parse where the shell is installed.
. "$(dirname "$0")/../lib.sh"

cd "$SRC/man/completions"
for shell in bash zsh fish; do
	for file in img tools; do
		[ -f "cowbird-$file.$shell" ] || fail "no completion for $shell"
		! command -v $shell >/dev/null || $shell -n "cowbird-$file.$shell"
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
. ./cowbird-tools.bash
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
# The other tools have one function, which knows them apart.
complete_for _cowbird_tool cowbird-io --cm | grep -qx -e --cmd ||
    fail "no options of cowbird-io"
complete_for _cowbird_tool cowbird-nbd --disc | grep -qx -e --disconnect ||
    fail "no options of cowbird-nbd"
complete_for _cowbird_tool cowbird-io -t un | grep -qx unsafe ||
    fail "no cache modes of cowbird-io"
complete_for _cowbird_tool cowbird-io -c wri | grep -qx writev ||
    fail "no commands of cowbird-io"
complete_for _cowbird_tool cowbird-nbd -t di | grep -qx disk.qcow2 ||
    fail "no files after cowbird-nbd -t, which takes no value"
complete_for _cowbird_tool cowbird-emu -snap | grep -qx -e -snapshot ||
    fail "no options of cowbird-emu"
complete_for _cowbird_tool cowbird-emu -device virtio-b |
    grep -qx virtio-blk-pci || fail "no devices of cowbird-emu"
complete_for _cowbird_tool cowbird-emu -hda di | grep -qx disk.qcow2 ||
    fail "no files of cowbird-emu"
for tool in io nbd fuse emu; do
	complete -p cowbird-$tool | grep -q _cowbird_tool ||
	    fail "cowbird-$tool is not completed"
done
