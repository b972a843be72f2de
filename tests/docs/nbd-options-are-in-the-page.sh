#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every option that cowbird-nbd's help shows is in its page, and the page
# describes no other; the help has all options of the peer's.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/docs/options.inc"

page=$SRC/man/cowbird-nbd.8
[ -f "$page" ] || fail "no man/cowbird-nbd.8"
"$COWBIRD_NBD" --help >help
page_options "$page" '' >found

help_options <help >options
same_options options found
for option in -h --help -V --version -p --port -b --bind -k --socket -e \
    --shared -t --persistent -v --verbose -x --export-name -D --description \
    -o --offset -A --allocation-depth -B --bitmap -L --list --object \
    --tls-creds --tls-authz --tls-hostname -T --trace --fork --pid-file \
    --selinux-label -c --connect -d --disconnect -f --format -r --read-only \
    -s --snapshot -l --load-snapshot -n --nocache --cache --aio --discard \
    --detect-zeroes --image-opts --handshake-limit; do
	grep -Fxq -e "$option" options || problem "$option of the peer is missing"
done
in_step
