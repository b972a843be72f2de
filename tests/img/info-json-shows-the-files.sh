#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Under our own name the JSON of info has "children", as upstream has since
# 8.0, and is otherwise the peer's; under the peer's name it is not there.
. "$(dirname "$0")/../lib.sh"
requires python3
peer_names

"$COWBIRD_IMG" create -q -f qcow2 q 1M
"$COWBIRD_IMG" info --output=json q >ours.json
"$PEER_IMG" info --output=json q >peer.json
python3 - <<'END'
import json
ours = json.load(open('ours.json'))
peer = json.load(open('peer.json'))
children = ours.pop('children')
assert list(ours) == list(peer) and ours == peer
assert [c['name'] for c in children] == ['file'], children
assert [c['info']['filename'] for c in children] == ['q']
for c in children:
    assert list(c['info']) == ['children', 'virtual-size', 'filename',
        'format', 'actual-size', 'format-specific', 'dirty-flag'], c
    assert c['info']['format'] == 'file'
    assert c['info']['format-specific'] == {'type': 'file', 'data': {}}
END
