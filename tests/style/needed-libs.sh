#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The library and the tools need libc and a short list of small libraries:
# start-up time depends on it.  What needs more is a module.
. "$(dirname "$0")/../lib.sh"
requires readelf
requires_plain_build

allowed='libc\.so\.6|ld-linux.*|libz\.so\.1|libzstd\.so\.1|libdeflate\.so\.0|libjson-c\.so\.5'
bad=0
for file in "$BUILD"/lib/libcowbird.so.0 "$BUILD"/bin/cowbird-*; do
	[ -f "$file" ] || fail "no $file: build first"
	case ${file##*/} in
	cowbird-io) list="$allowed|libedit\.so\.2" ;;
	cowbird-fuse) list="$allowed|libfuse3\.so\.3" ;;
	cowbird-nbd) list="$allowed|libgnutls\.so\.30" ;;
	cowbird-emu) continue ;;
	*) list=$allowed ;;
	esac
	extra=$(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	    grep -Evx "$list" || true)
	if [ -n "$extra" ]; then
		echo "${file##*/} needs" $extra
		bad=1
	fi
done
[ $bad -eq 0 ] || fail "not in the list of allowed libraries"
