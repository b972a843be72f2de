#compdef cowbird-nbd
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion of cowbird-nbd.  Options come from the tool's own help.

local tool=$words[1]
local -a options

case $words[CURRENT-1] in
-f | --format)
	compadd raw qcow2
	return ;;
--cache)
	compadd none writeback writethrough directsync unsafe
	return ;;
--aio)
	compadd threads native io_uring
	return ;;
--discard)
	compadd ignore unmap
	return ;;
--detect-zeroes)
	compadd off on unmap
	return ;;
esac

if [[ $words[CURRENT] == -* ]]; then
	options=(${(f)"$($tool --help 2>/dev/null |
	    sed -n 's/^ \{1,8\}\(-.*\)/\1/p' | sed 's/   *.*//' |
	    tr -s ' ,=[]' '\n' | grep '^-')"})
	compadd -- $options
else
	_files
fi
