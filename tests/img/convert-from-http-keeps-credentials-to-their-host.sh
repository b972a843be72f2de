#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# User names, passwords and cookies, from the URL, keys and secrets, reach the
# server they were given for; another one that it redirects to sees nothing of
# them, and no message shows them.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/web.sh"

random_file disk.raw 3M
HOME=$TEST_TMP
export HOME
echo "machine 127.0.0.1 login from password netrc" >.netrc

web auth=me:sesame
url=http://me:sesame@${web#*//}/disk.raw
quiet $COWBIRD_IMG convert "$url" out
same_file disk.raw out
# It is asked for once, then it is known.
[ "$(grep -c ' - -$' log)" -le 1 ] || fail "$(cat log)"

opts=driver=raw,file.driver=http,file.url=$web/disk.raw
quiet $COWBIRD_IMG convert --object secret,id=pass,data=sesame --object \
    secret,id=cake,data=a=b --image-opts \
    "$opts,file.username=me,file.password-secret=pass,file.cookie-secret=cake" out
same_file disk.raw out
grep -q "me:sesame a=b$" log || fail "$(cat log)"
quiet $COWBIRD_IMG convert --object secret,id=pass,data=c2VzYW1l,format=base64 \
    --image-opts "$opts,file.username=me,file.password-secret=pass,file.cookie=c=d" out
grep -q "me:sesame c=d$" log || fail "$(cat log)"
fails_with 1 "HTTP status 401 \(it wants a user name" \
    $COWBIRD_IMG convert "http://me:guessed@${web#*//}/disk.raw" out2
if grep -q guessed stderr; then fail "the password is shown"; fi
fails_with 1 "HTTP status 401" $COWBIRD_IMG convert "$web/disk.raw" out2

web_also
web redirect="$web2"
quiet $COWBIRD_IMG convert --image-opts \
    "driver=raw,file.driver=http,file.url=http://me:sesame@${web#*//}/disk.raw,file.cookie=a=b" out
same_file disk.raw out
grep -q "a=b$" log || fail "the cookie did not reach its server"
if grep -v ' - -$' log2; then fail "another server has the credentials"; fi
# Redirected once, not each time.
[ "$(wc -l <log)" -eq 1 ] || fail "$(cat log)"

web redirect=ftp://127.0.0.1
fails_with 1 "redirects to 'ftp://127.0.0.1/disk.raw', which is not followed" \
    $COWBIRD_IMG convert "$web/disk.raw" out2
web redirect=file://
fails_with 1 "redirects to 'file:///disk.raw', which is not followed" \
    $COWBIRD_IMG convert "$web/disk.raw" out2
web redirect=
fails_with 1 "redirects more than 10 times" \
    $COWBIRD_IMG convert "$web/disk.raw" out2
[ ! -e out2 ] || fail "out2 is there"
