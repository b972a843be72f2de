#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Under our own name an error is one line, "cowbird-img: FILE: reason", that
# says each thing once; success says nothing on stderr.
. "$(dirname "$0")/../lib.sh"

# error CODE PATTERN CMD...
error() {
	fails_with "$1" "$2" "$COWBIRD_IMG" "${@:3}"
	[ "$(wc -l <stderr)" -eq 1 ] || { cat stderr >&2; fail "more than one line: ${*:3}"; }
}
quiet "$COWBIRD_IMG" create -f qcow2 q 1M >/dev/null
quiet "$COWBIRD_IMG" create -f raw r 1M >/dev/null
mkdir folder other
gone='No such file or directory'

error 1 "^cowbird-img: missing: $gone\$" info missing
error 1 "^cowbird-img: missing: $gone\$" check missing
error 1 "^cowbird-img: missing: $gone\$" resize missing 1M
error 1 "^cowbird-img: folder: .*regular file" info folder
error 1 "^cowbird-img: q: Unknown driver 'nosuch'\$" info -f nosuch q
error 1 "^cowbird-img: none/x: .*$gone\$" create none/x 1M
error 1 '^cowbird-img: x: Unknown file format .nosuch.$' create -f nosuch x 1M
error 1 "^cowbird-img: image size '1Q': " create x 1Q
error 1 "^cowbird-img: size 'foo': " resize q foo
error 1 '^cowbird-img: q: .*--shrink' resize q 512k
error 1 "^cowbird-img: expecting one image file name \(see cowbird-img info --help\)\$" info
error 1 "^cowbird-img: unrecognized option '--nosuch' \(see cowbird-img info --help\)\$" info --nosuch q
error 1 "^cowbird-img: missing argument for option '-f'" info q -f
error 2 "^cowbird-img: .*\(see cowbird-img compare --help\)\$" compare q
error 63 'does not support checks' check -f raw r
error 1 "cache mode 'x' is not none, writeback" check -T x q
fails_with 1 '^cowbird-img: Command not found: nosuch$' "$COWBIRD_IMG" nosuch

# Who holds it is named.
mkfifo hold
exec {keep}<>hold
"$COWBIRD_IO" q <hold >/dev/null 2>&1 &
holder=$!
cleanup_fn kill $holder
for _ in $(seq 50); do
	"$COWBIRD_IMG" info q >/dev/null 2>&1 || break
	sleep 0.1
done
error 1 "^cowbird-img: q: Failed to get shared \"write\" lock: in use by .*\(pid $holder\)\$" info q
quiet "$COWBIRD_IMG" info -U q >/dev/null

# Names found inside an image: refused by policy is told from broken.
mv r other/r
quiet "$COWBIRD_IMG" create -q -f qcow2 -o data_file=../other/r -f qcow2 other/ext 1M
sed 's|\.\./other/r|../other/r|' other/ext >folder/ext
error 64 '^cowbird-img: folder/ext: .*refused to follow .*--allow-external' map folder/ext
quiet "$COWBIRD_IMG" map --allow-external folder/ext >/dev/null
quiet "$COWBIRD_IMG" info folder/ext >/dev/null
