#compdef cowbird-img
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion of cowbird-img.  Commands and options come from the tool's
# own help.

local tool=$words[1] command= i text
local -a options commands

for ((i = 2; i < CURRENT; i++)); do
	if [[ $words[i] != -* ]]; then
		command=$words[i]
		break
	fi
done

if [[ -z $command ]]; then
	commands=(${(f)"$($tool --help 2>/dev/null |
	    sed -n 's/^  \([a-z][a-z]*\)  *\(.*\)$/\1:\2/p')"})
	_describe command commands
	return
fi

case $words[CURRENT-1] in
-f | -O | -F | --format | --target-format | --backing-format)
	compadd raw qcow2
	return ;;
-t | -T | --cache | --target-cache | --source-cache | --src-cache)
	compadd none writeback writethrough directsync unsafe
	return ;;
--output)
	compadd human json
	return ;;
--compress-level)
	compadd fast default best
	return ;;
esac

if [[ $words[CURRENT] == -* ]]; then
	options=(${(f)"$($tool $command --help 2>/dev/null |
	    sed -n 's/^ \{1,8\}\(-.*\)/\1/p' | sed 's/   *.*//' |
	    tr -s ' ,=[]' '\n' | grep '^-')"})
	compadd -- $options
else
	_files
fi
