# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Web servers of the test's own (web-server.py) on localhost.  Sourced after
# lib.sh.
#
#	web [KEY=VALUE]...	starts one, in place of the one before; its URL
#				is in $web, its requests in the file "log"
#	web_also ...		another beside it: $web2, "log2"
#	web_stop		ends the first

requires python3
[ -e "$BUILD/lib/cowbird/curl.so" ] || skip "needs the curl module (libcurl)"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

# web_run SUFFIX [KEY=VALUE]...: its process in $web_pid, its URL in $web_url
web_run() {
	local suffix=$1 scheme=http
	shift
	rm -f "port$suffix" "log$suffix"
	[[ " $*" != *" tls="* ]] || scheme=https
	python3 "$SRC/tests/support/web-server.py" "port=port$suffix" \
	    "log=log$suffix" "$@" >"server$suffix.out" 2>&1 &
	web_pid=$!
	for _ in $(seq 200); do
		[ ! -s "port$suffix" ] || break
		kill -0 "$web_pid" 2>/dev/null || break
		sleep 0.1
	done
	[ -s "port$suffix" ] || {
		cat "server$suffix.out" >&2
		fail "the web server does not start"
	}
	web_url=$scheme://127.0.0.1:$(cat "port$suffix")
}

web_first=
web() {
	web_stop
	web_run "" "$@"
	web_first=$web_pid web=$web_url
}
# shellcheck disable=SC2034
web_also() {
	web_run 2 "$@"
	web2=$web_url
	cleanup_fn kill "$web_pid"
}
web_stop() {
	[ -n "$web_first" ] || return 0
	kill "$web_first" 2>/dev/null || true
	wait "$web_first" 2>/dev/null || true
	web_first=
}
cleanup_fn web_stop
