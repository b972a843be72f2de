# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of cowbird-nbd.  Options come from the tool's own help, so
# that they cannot differ from it.

# The option words of a help text on stdin.
_cowbird_nbd_options() {
	sed -n 's/^ \{1,8\}\(-.*\)/\1/p' | sed 's/   *.*//' |
	    tr -s ' ,=[]' '\n' | grep '^-'
}

_cowbird_nbd() {
	local tool=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]}
	local prev= words= IFS=$' \t\n'
	[ "$COMP_CWORD" -eq 0 ] || prev=${COMP_WORDS[COMP_CWORD - 1]}
	case $prev in
	-f | --format)
		words="raw qcow2" ;;
	--cache)
		words="none writeback writethrough directsync unsafe" ;;
	--aio)
		words="threads native io_uring" ;;
	--discard)
		words="ignore unmap" ;;
	--detect-zeroes)
		words="off on unmap" ;;
	-c | --connect)
		words=$(echo /dev/nbd*) ;;
	*)
		case $cur in
		-*) words=$("$tool" --help 2>/dev/null |
		    _cowbird_nbd_options) ;;
		esac ;;
	esac
	if [ -n "$words" ]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -F _cowbird_nbd cowbird-nbd
