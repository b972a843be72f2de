#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# No image with wrong numbers in it makes a command crash, hang, talk without
# end, take much memory or change what it only reads (seed 1).
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/mutated-images.inc"

survive 1 72
