#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each source file says its licence in its first two lines: the emulator is
# GPL-2.0-or-later, everything else LGPL-2.1-or-later.
. "$(dirname "$0")/../lib.sh"

cd "$SRC"
bad=0
while read -r file; do
	licence=LGPL-2.1-or-later
	case $file in ./emu/* | ./tests/emu/*) licence=GPL-2.0-or-later ;; esac
	case $file in
	*.[ch]) line="/* SPDX-License-Identifier: $licence */" ;;
	*) line="# SPDX-License-Identifier: $licence" ;;
	esac
	if ! head -n 2 "$file" | grep -Fxq -- "$line"; then
		echo "${file#./}: lacks '$line'"
		bad=1
	fi
done < <(find . \( -path ./build -o -path ./.git \) -prune -o \
    -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.bash' -o \
    -name Makefile -o -name bootstrap -o -path ./.ci/run -o \
    -path ./tests/run \) -print | sort)
[ $bad -eq 0 ] || fail "files without a licence line"
