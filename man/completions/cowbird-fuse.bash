# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of cowbird-fuse.  Options come from the tool's own help, so
# that they cannot differ from it.

# The option words of a help text on stdin.
_cowbird_fuse_options() {
	sed -n 's/^ \{1,8\}\(-.*\)/\1/p' | sed 's/   *.*//' |
	    tr -s ' ,=[]' '\n' | grep '^-'
}

_cowbird_fuse() {
	local tool=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]}
	local prev= words= IFS=$' \t\n'
	[ "$COMP_CWORD" -eq 0 ] || prev=${COMP_WORDS[COMP_CWORD - 1]}
	case $prev in
	-f | --format)
		words="raw qcow2" ;;
	-t | --cache)
		words="none writeback writethrough directsync unsafe" ;;
	--discard)
		words="unmap ignore" ;;
	--detect-zeroes)
		words="off on unmap" ;;
	--aio)
		words="threads native io_uring" ;;
	-o | --options)
		words="allow_other allow_root auto_unmount exec" ;;
	*)
		case $cur in
		-*) words=$("$tool" --help 2>/dev/null |
		    _cowbird_fuse_options) ;;
		esac ;;
	esac
	if [ -n "$words" ]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -F _cowbird_fuse cowbird-fuse
