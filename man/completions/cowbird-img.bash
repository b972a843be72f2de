# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of cowbird-img.  Options come from the tool's own help, so
# that they cannot differ from it.

# The option words of a help text on stdin.
_cowbird_img_options() {
	sed -n 's/^ \{1,8\}\(-.*\)/\1/p' | sed 's/   *.*//' |
	    tr -s ' ,=[]' '\n' | grep '^-'
}

_cowbird_img() {
	local tool=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]}
	local prev= command= words i IFS=$' \t\n'
	[ "$COMP_CWORD" -eq 0 ] || prev=${COMP_WORDS[COMP_CWORD - 1]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done

	if [ -z "$command" ]; then
		case $cur in
		-*) words=$("$tool" --help 2>/dev/null |
		    _cowbird_img_options) ;;
		*) words=$("$tool" --help 2>/dev/null |
		    sed -n 's/^  \([a-z][a-z]*\)\( .*\)\{0,1\}$/\1/p') ;;
		esac
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
		return
	fi
	case $prev in
	-f | -O | -F | --format | --target-format | --backing-format)
		words="raw qcow2" ;;
	-t | -T | --cache | --target-cache | --source-cache | --src-cache)
		words="none writeback writethrough directsync unsafe" ;;
	--output)
		words="human json" ;;
	--compress-level)
		words="fast default best" ;;
	*)
		words=
		case $cur in
		-*) words=$("$tool" "$command" --help 2>/dev/null |
		    _cowbird_img_options) ;;
		esac ;;
	esac
	if [ -n "$words" ]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -F _cowbird_img cowbird-img
