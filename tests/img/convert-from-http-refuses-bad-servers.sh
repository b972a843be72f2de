#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that does not do what it was asked for is refused with one line
# that says what it does; nothing it sends is taken for the file.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/web.sh"

random_file disk.raw 6M
: >empty

refused() {
	fails_with 1 "^cowbird-img: $1" $COWBIRD_IMG convert "${url:-$web/disk.raw}" out
	[ "$(wc -l <stderr)" -eq 1 ] || fail "more than a line"
	[ ! -e out ] || fail "out is there"
}

web ranges=no
refused "$web/disk.raw: the server cannot send parts of the file: it ignores range requests \(HTTP status 200\)"
# Noticed at once, not when all of the file has come.
[ "$(wc -l <log)" -eq 1 ] || fail "asked $(wc -l <log) times"

# A server that everybody has at hand.
python3 -u -m http.server --bind 127.0.0.1 0 >out.log 2>&1 &
cleanup_fn kill $!
for ((i = 0; i < 100; i++)); do
	port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' out.log)
	[ -z "$port" ] || break
	sleep 0.1
done
url=http://127.0.0.1:$port/disk.raw refused ".*it ignores range requests"

web ranges=none
refused ".*Accept-Ranges: none; force-range=on asks"
quiet $COWBIRD_IMG convert --image-opts \
    "driver=raw,file.driver=http,file.url=$web/disk.raw,file.force-range=on" out
same_file disk.raw out
rm out
web encoding=gzip
refused ".*encoded \(Content-Encoding\)"
web lie=first
refused ".*another part of the file"
web lie=total
refused ".*has changed while it was open \(its length is another\)"
web etag=each
refused ".*has changed while it was open \(its ETag is another\)"
web most=1000
refused ".*too little"

web
url=$web/nothing refused ".*HTTP status 404 \(not found\)"
url=https${web#http}/disk.raw refused ".*does not speak TLS"
url=http://127.0.0.1:1/x refused ".*cannot connect"
url=http:/x refused ".*URL"
url=http://name:secret@${web#*//}/nothing refused \
    "http://name:\*\*\*@.*/nothing: .*404"
fails_with 1 "does not support image creation" $COWBIRD_IMG convert disk.raw "$web/new"
fails_with 1 "does not support writes" $COWBIRD_IMG resize -f raw "$web/disk.raw" 10M

opts=driver=raw,file.driver=http,file.url=$web/disk.raw
wrong() {
	fails_with 1 "$2" $COWBIRD_IMG info --image-opts "$opts,file.$1"
}
wrong readahead=100 "not a multiple of 512"
wrong timeout=0 "timeout 0 is not from 1 to 10000"
wrong sslverify=maybe "sslverify"
wrong password-secret=none "No secret with id 'none'"
wrong tls-creds=none "with id 'none'"
wrong cookie=a,file.cookie-secret=b "both cookie and cookie secret"
wrong nonsense=1 "nonsense"
fails_with 1 "does not start with 'https://'" $COWBIRD_IMG info --image-opts \
    "driver=raw,file.driver=https,file.url=$web/disk.raw"
