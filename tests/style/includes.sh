#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Includes go downwards only.  The table below is the authority on who may
# include whom; a file belongs to the first group whose pattern it matches.
. "$(dirname "$0")/../lib.sh"

# group: patterns of its files (paths; bash patterns, * crosses folders)
groups='
	base: formats/base/*
	store: formats/store/*
	module: formats/modules/*
	crypt: formats/crypt/*
	cli: formats/cli/*
	filter: formats/filter/*
	codec: formats/codec.[ch]
	report: formats/report.[ch]
	image.h: formats/image.h formats/modes.[ch]
	image.c: formats/image.c formats/create.c
	engine: formats/map.[ch] formats/io.[ch] formats/space.c formats/submit.c formats/bitmap.c
	copy: formats/copy.[ch] formats/copier.h formats/copy_*.c formats/compare.c
	registry: formats/registry.[ch]
	cowbird.h: formats/cowbird.h
	api: formats/api.[ch]
	driver: formats/*
	nbd_proto.h: nbd/nbd_proto.h
	img: img/*
	io: io/*
	nbd: nbd/*
	fuse: fuse/*
	emu/core: emu/core/*
	emu/cpu: emu/cpu/*
	emu/jit: emu/jit/*
	emu/accel: emu/accel/*
	emu/disk: emu/dev/disk.[ch]
	emu/dev: emu/dev/*
	emu/part: emu/fw/* emu/ui/* emu/net/* emu/ctl/*
	emu: emu/*'

# group: groups it may include, itself always.  A driver sees its own folder,
# not other drivers.
allowed='
	base:
	store: base
	module: store base
	crypt: base
	codec: base
	report: base
	cowbird.h:
	image.h: base store
	engine: image.h codec base store
	image.c: image.h registry codec report base store
	registry: image.h base
	copy: image.h codec base store
	driver: image.h codec crypt report base store
	filter: image.h base store
	api: cowbird.h image.h copy report base store
	cli: image.h copy report base
	img: cli image.h copy report codec base
	io: cli image.h copy report base
	fuse: cli image.h copy report base
	nbd: cli image.h copy report base nbd_proto.h
	nbd_proto.h: base
	emu/core: base
	emu/cpu: emu/core base
	emu/jit: emu/cpu emu/core base
	emu/accel: emu/jit emu/cpu emu/core base
	emu/disk: emu/core image.h base
	emu/dev: emu/core emu/disk base
	emu/part: emu/core base
	emu: emu/core emu/cpu emu/jit emu/accel emu/disk emu/dev emu/part cli image.h base'

cd "$SRC"
shopt -s nullglob

group_of() {
	local line pattern
	while read -r line; do
		for pattern in ${line#*: }; do
			# shellcheck disable=SC2053
			if [[ $1 == $pattern ]]; then
				group=${line%%:*}
				return
			fi
		done
	done <<<"$groups"
	group=none
}

# Patterns are to stay patterns.
set -f
bad=0
while IFS=: read -r file number text; do
	name=${text#*\"}
	name=${name%%\"*}
	target=
	for at in "${file%/*}/$name" "formats/$name" "emu/$name" "nbd/$name"; do
		if [ -f "$at" ]; then
			target=$at
			break
		fi
	done
	if [ -z "$target" ]; then
		echo "$file:$number: includes \"$name\", which is not there"
		bad=1
		continue
	fi
	target=$(realpath -s --relative-to=. "$target")
	group_of "$file"
	from=$group
	group_of "$target"
	to=$group
	if [ "$from" = driver ] && [ "$to" = driver ]; then
		# formats/qcow2/*: the same folder; formats/vdi.c: vdi.h
		a=${file#formats/} b=${target#formats/}
		[ "${a%%[/.]*}" != "${b%%[/.]*}" ] || continue
	elif [ "$from" = "$to" ]; then
		continue
	elif grep -Eq "^[[:space:]]*${from//./\\.}:.* ${to//./\\.}( |\$)" <<<"$allowed"; then
		continue
	fi
	echo "$file:$number: $from may not include $to ($target)"
	bad=1
done < <({ find formats img io nbd fuse emu -name '*.[ch]' -exec \
    grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' {} + \
    2>/dev/null || true; } | sort)
[ $bad -eq 0 ] || fail "includes must go downwards (table in this script)"
