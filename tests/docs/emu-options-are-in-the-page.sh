#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every option that cowbird-emu's help shows is in its page, and the page
# describes no other; so are the monitor's commands and the devices.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/docs/options.inc"

page=$SRC/man/cowbird-emu.1
[ -f "$page" ] || fail "no man/cowbird-emu.1"
"$COWBIRD_EMU" -help >help
page_options "$page" '' >found

# The table says each of them, after two spaces, with one dash.
help_options <help >options
same_options options found

"$COWBIRD_EMU" -device help | sed -n 's/^name "\([^"]*\)".*/\1/p' >devices
[ -s devices ] || fail "-device help lists nothing"
while read -r name; do
	grep -Eq "^\\.Cm $name( |\$)" "$page" ||
	    problem "device $name is not in the page"
	"$COWBIRD_EMU" -device "$name,help" >properties ||
	    problem "-device $name,help fails"
done <devices

printf 'help\nquit\n' | "$COWBIRD_EMU" -S -display none -monitor stdio \
    >monitor 2>&1 || { cat monitor; fail "no monitor"; }
tr -d '\r' <monitor | sed -n 's/^\([a-z_]*\)\(|[a-z?]*\)\{0,1\} .*-- .*/\1/p' |
    sort -u >commands
[ "$(wc -l <commands)" -ge 15 ] || { cat monitor; fail "no commands"; }
sed -n '/^\.Sh MONITOR/,/^\.Sh SANDBOX/p' "$page" >section
while read -r name; do
	grep -Eq "Ic .*\\b$name\\b" section ||
	    problem "the monitor's $name is not in the page"
done <commands
in_step
