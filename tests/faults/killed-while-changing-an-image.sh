#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at any moment, commit, rebase, resize and check -r leave images with
# leaks at worst that read as before or as after, on a backing file that was
# not touched or may be committed to again.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/faults/faults.inc"
requires_plain_build

# base, over (on base) and what over reads like.
"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=4k base.before 24M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 6M' -c 'write -q -c -P 2 8M 1M' \
    -c 'write -q -P 3 16M 100k' base.before
cp base.before base
"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=4k -b base -F qcow2 \
    over.before
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 4 1M 5M' -c 'write -q -z 8M 300k' \
    -c 'write -q -P 5 12M 5M' -c 'write -q -c -P 6 20M 1M' over.before
"$COWBIRD_IMG" convert -f qcow2 -O raw over.before raw
"$COWBIRD_IMG" convert -f qcow2 -O raw base.before base.raw

renew() {
	cp base.before base
	cp over.before over
}
committed() {
	sound base
	sound over
	reads_like over qcow2 raw
	"$COWBIRD_IMG" commit -q over || fail "$doing: cannot be done again"
	reads_like base qcow2 raw
	reads_like over qcow2 raw
	sound base
}
sweep 16 renew committed "$COWBIRD_IMG" commit -f qcow2 over
sweep 6 renew committed "$COWBIRD_IMG" commit -t writethrough -f qcow2 over

# Another base, of other contents and size.
"$COWBIRD_IMG" create -q -f qcow2 other.before 20M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 7 0 20M' other.before
rebased() {
	cmp base base.before || fail "$doing: the old base has changed"
	cmp other other.before || fail "$doing: the new base has changed"
	sound over
	reads_like over qcow2 raw
}
renew_other() {
	renew
	cp other.before other
}
sweep 16 renew_other rebased "$COWBIRD_IMG" rebase -f qcow2 -F qcow2 \
    -b other over
sweep 8 renew_other rebased "$COWBIRD_IMG" rebase -f qcow2 -b "" over
"$COWBIRD_IMG" convert -q -f qcow2 -O qcow2 base.before same
sweep 6 renew_other rebased "$COWBIRD_IMG" rebase -u -f qcow2 -F qcow2 \
    -b same over

# Sizes: old or new, and no byte that both have is different.
resized() {
	local size
	sound over
	size=$("$COWBIRD_IMG" info over |
	    sed -n 's/^virtual size: .*(\([0-9]*\) bytes)/\1/p')
	case $size in
	25165824 | "$new") ;;
	*) fail "$doing: size $size" ;;
	esac
	# What was to be cut off may be gone already.
	if [ "$new" -lt "$size" ]; then
		"$COWBIRD_IMG" resize -q --shrink -f qcow2 over "$new"
		size=$new
	fi
	cp raw want
	truncate -s "$size" want
	reads_like over qcow2 want
	sound over
}
for new in 10000384 4295032832; do
	sweep 12 renew resized "$COWBIRD_IMG" resize --shrink -f qcow2 over $new
done
new=67108864
sweep 8 renew resized "$COWBIRD_IMG" resize --preallocation=metadata \
    -f qcow2 over $new
sweep 8 renew resized "$COWBIRD_IMG" resize --preallocation=full \
    -f qcow2 over $new

# Repairs: leaks, wrong refcounts, and a dirty image.
"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=512 hurt.before 24M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 5M' -c 'write -q -P 2 9M 3M' \
    hurt.before
"$COWBIRD_IMG" convert -f qcow2 -O raw hurt.before hurt.raw
# One block of refcounts is all zeros, and clusters at the end nobody has.
. "$SRC/tests/hostile/hostile.inc"
tables hurt.before
get hurt.before $((rt + 16)) 8
head -c 512 /dev/zero | bytes_at hurt.before "$reply"
head -c 65536 /dev/zero >>hurt.before
hurt() {
	cp hurt.before image
}
repaired() {
	"$COWBIRD_IMG" check -q -f qcow2 -r all image >out 2>&1 ||
	    { head out >&2; fail "$doing: cannot be repaired"; }
	"$COWBIRD_IMG" check -q -f qcow2 image >out 2>&1 ||
	    { head out >&2; fail "$doing: is not repaired"; }
	reads_like image qcow2 hurt.raw
}
sweep 16 hurt repaired "$COWBIRD_IMG" check -q -r all -f qcow2 image
