#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that insists on its block sizes is never asked for others: what
# does not fit is read, changed and written whole.
. "$(dirname "$0")/client.inc"
requires nbdkit

u=$(uri "$PWD/s")
random_file src 3M
for sizes in '512 4k 64k' '4k 64k 64k' '64k 64k 128k' '1 512 4k'; do
	# shellcheck disable=SC2086
	set -- $sizes
	nbdkit_at s --filter=blocksize-policy memory 4M \
	    blocksize-minimum="$1" blocksize-preferred="$2" \
	    blocksize-maximum="$3" blocksize-error-policy=error
	quiet "$COWBIRD_IO" -f raw \
	    -c 'write -q -P 7 1000 5000' -c 'read -q -P 7 1000 5000' \
	    -c 'read -q -P 0 0 1000' -c 'read -q -P 0 6000 4000' \
	    -c 'write -q -z 100 9000' -c 'read -q -P 0 0 20000' \
	    -c 'write -q -P 3 0 3M' -c 'read -q -P 3 0 3M' \
	    -c 'write -q -z 5 2M' -c 'read -q -P 0 5 2M' \
	    -c 'read -q -P 3 0 5' -c 'read -q -P 3 2097157 100' \
	    -c 'write -q -P 5 1048575 2' -c 'read -q -P 5 1048575 2' \
	    -c 'read -q -P 0 1048000 575' -c 'read -q -P 0 1048577 600' \
	    -c 'writev -q -P 6 3 10 1000 50000 7' \
	    -c 'readv -q -P 6 3 1000 10 7 50000' -c 'read -q -P 3 0 3' \
	    -c 'discard -q 1 10000' -c 'read -q -P 3 3000000 1000' "$u"
	quiet "$COWBIRD_IMG" convert -n -f raw -O raw src "$u"
	quiet "$COWBIRD_IMG" compare -q -f raw -F raw "$u" src
	end_server
done

# Sizes without whole blocks are no sizes; without whole sectors they are.
nbdkit_at s --filter=blocksize-policy memory 1000 blocksize-minimum=512 \
    blocksize-preferred=4k blocksize-maximum=64k
fails_with 1 'export length 1000 is not multiple of minimum block size' \
    "$COWBIRD_IMG" info "$u"
end_server
nbdkit_at s memory 1000
quiet "$COWBIRD_IO" -f raw -c 'write -q -P 1 0 1000' -c 'read -q -P 1 0 1000' \
    -c 'read -q -P 0 1000 24' -c 'write -q -z 512 512' \
    -c 'read -q -P 0 512 512' "$u"
"$COWBIRD_IO" -f raw -c 'write -P 1 0 1024' "$u" >said 2>&1 || true
matches 'No space left on device' said
