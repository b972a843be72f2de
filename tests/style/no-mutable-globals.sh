#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The library keeps no mutable global state (debug flags excepted): nothing of
# it lies in .data or .bss.
. "$(dirname "$0")/../lib.sh"
requires objdump
requires_plain_build

lib=$BUILD/lib/libcowbird.a
[ -f "$lib" ] || fail "no $lib: build first"
objdump -t "$lib" | awk '
	/file format/ { object = $1; sub(/:$/, "", object); next }
	object == "log.o" { next }
	# The key under which a thread finds its own decompressor.
	object == "codec.o" && $NF == "zstd_thread" { next }
	# value, flags (l or g; O: an object), section, size, name
	/ O \.(data|bss)(\.[a-z][^r][^ \t]*)?[ \t]/ && !/\.data\.rel\.ro/ {
		print object ": " $NF; bad = 1
	}
	END { exit bad }' || fail "mutable globals in the library"
