#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The engine kvm boots a 64-bit Linux from a qcow2 disk, in a machine of the
# peer's that has SVM (tests/boot/kvm-in-peer.sh is the long form).
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/kvm.inc"

kvm_run 1
