#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The engine kvm runs real 64-bit guests: inside the peer's own machine, which
# has SVM, our emulator boots Debian's kernel with -accel kvm on a qcow2 disk,
# with one processor and with two.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/kvm.inc"

kvm_run 1 2
