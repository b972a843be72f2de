#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Progress: the peer's bytes with -p, a line on SIGUSR1, lines of JSON, a bar
# on a terminal (no colours with NO_COLOR), and nothing elsewhere.
. "$(dirname "$0")/../lib.sh"
requires python3
peer_names

head -c 67108864 /dev/urandom >raw
convert() {
	"$COWBIRD_IMG" convert -f raw -O raw "$@"
}

quiet convert raw out >stdout
[ ! -s stdout ] || fail "not silent"
for tool in "$COWBIRD_IMG" "$PEER_IMG"; do
	quiet "$tool" convert -p -f raw -O raw raw out >stdout
	python3 - <<-'END'
	import re
	text = open('stdout', 'rb').read()
	assert re.fullmatch(rb'(    \(\d+\.\d\d/100%\)\r)+\n', text), text
	steps = [float(x) for x in re.findall(rb'\(([0-9.]+)/', text)]
	assert steps[0] == 0 and steps[-1] == 100 and len(steps) >= 3, steps
	assert steps == sorted(steps), steps
	END
done

# On a signal, also without -p; the rate keeps it busy for a while.
"$COWBIRD_IMG" convert -f raw -r 20M raw out >stdout 2>stderr &
pid=$!
sleep 0.7
kill -USR1 $pid
sleep 0.2
kill -USR1 $pid
wait $pid
[ ! -s stdout ] || fail "SIGUSR1 writes to stdout"
[ "$(grep -Ecx '    \([0-9]+\.[0-9]{2}/100%\)' stderr)" -eq 2 ] ||
    { cat stderr; fail "not two lines for two signals"; }
[ "$(wc -l <stderr)" -eq 2 ] || fail "more than that"

convert --progress=json -r 60M raw out 2>stderr
python3 - <<'END'
import json
lines = [json.loads(l) for l in open('stderr')]
assert len(lines) >= 3
for l in lines:
    assert list(l) == ['what', 'done', 'total', 'percent', 'rate', 'seconds_left'], l
assert lines[-1]['done'] == lines[-1]['total'] and lines[-1]['percent'] == 100
assert [l['done'] for l in lines] == sorted(l['done'] for l in lines)
END

# On a terminal.
command -v script >/dev/null || exit 0
for color in '' 1; do
	NO_COLOR=$color TERM=xterm script -qec \
	    "stty cols 70; '$COWBIRD_IMG' convert -r 60M -f raw -O raw raw out" \
	    typescript >/dev/null </dev/null
	python3 - "$color" <<-'END'
	import re, sys
	text = open('typescript', newline='').read()
	assert re.search(r'\rconvert +\d+ % \[', text), text
	assert 'left' in text and '/s' in text
	assert ('\033[3' in text) == (not sys.argv[1])
	for line in text.split('\r'):
	    shown = re.sub(r'\033\[[0-9;]*[mK]', '', line)
	    assert len(shown) < 75 or 'Script' in shown, shown
	END
done
