# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of the tools without commands, installed under each one's
# name.  Options come from the tool's own help, so that they cannot differ
# from it.

# The option words of a help text on stdin.
_cowbird_tool_options() {
	sed -n 's/^ \{1,8\}\(-.*\)/\1/p' | sed 's/   *.*//' |
	    tr -s ' ,=[]' '\n' | grep '^-'
}

_cowbird_tool() {
	local tool=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]}
	local prev= words= IFS=$' \t\n'
	[ "$COMP_CWORD" -eq 0 ] || prev=${COMP_WORDS[COMP_CWORD - 1]}
	case "${tool##*-} $prev" in
	*' -f' | *' --format')
		words="raw qcow2" ;;
	*' --cache' | 'io -t' | 'fuse -t')
		words="none writeback writethrough directsync unsafe" ;;
	*' --aio' | 'io -i')
		words="threads native io_uring" ;;
	*' --discard' | 'io -d')
		words="unmap ignore" ;;
	*' --detect-zeroes')
		words="off on unmap" ;;
	'io -c' | 'io --cmd')
		words=$("$tool" -c help 2>/dev/null |
		    sed -n 's/^\([a-z_]*\) .*-- .*/\1/p') ;;
	'nbd -c' | 'nbd --connect')
		words=$(echo /dev/nbd*) ;;
	'fuse -o' | 'fuse --options')
		words="allow_other allow_root auto_unmount exec" ;;
	'emu -accel')
		words="interp kvm tcg" ;;
	'emu -machine' | 'emu -M')
		words="pc" ;;
	'emu -vga')
		words="std none" ;;
	'emu -display')
		words="none curses" ;;
	'emu -nic' | 'emu -net' | 'emu -parallel')
		words="none" ;;
	'emu -sandbox')
		words="on off" ;;
	'emu -serial' | 'emu -monitor' | 'emu -debugcon')
		words="stdio mon:stdio file: unix: tcp: pty null none" ;;
	'emu -device')
		words=$("$tool" -device help 2>/dev/null |
		    sed -n 's/^name "\([^"]*\)".*/\1/p') ;;
	*)
		case $cur in
		-*) words=$("$tool" --help 2>/dev/null |
		    _cowbird_tool_options) ;;
		esac ;;
	esac
	if [ -n "$words" ]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -F _cowbird_tool cowbird-io cowbird-nbd cowbird-fuse cowbird-emu
