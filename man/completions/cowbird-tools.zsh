#compdef cowbird-io cowbird-nbd cowbird-fuse cowbird-emu
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion of the tools without commands.  Options come from the tool's
# own help.

local tool=$words[1]
local -a options

case "${tool##*-} $words[CURRENT-1]" in
*' -f' | *' --format')
	compadd raw qcow2
	return ;;
*' --cache' | 'io -t' | 'fuse -t')
	compadd none writeback writethrough directsync unsafe
	return ;;
*' --aio' | 'io -i')
	compadd threads native io_uring
	return ;;
*' --discard' | 'io -d')
	compadd unmap ignore
	return ;;
*' --detect-zeroes')
	compadd off on unmap
	return ;;
'fuse -o' | 'fuse --options')
	compadd allow_other allow_root auto_unmount exec
	return ;;
'emu -accel')
	compadd interp kvm tcg
	return ;;
'emu -vga')
	compadd std none
	return ;;
'emu -display')
	compadd none curses
	return ;;
'emu -device')
	compadd $($tool -device help 2>/dev/null |
	    sed -n 's/^name "\([^"]*\)".*/\1/p')
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
