/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.h - from bytes to struct insn
 */
#ifndef CPU_DECODE_H
#define CPU_DECODE_H

#include "cpu/insn.h"
#include "cpu/table.h"

#define INSN_BYTES_MAX 15

#define DECODE_SHORT 0	/* more bytes are needed than there are */

/*
 * Decodes the instruction at bytes, of which avail are there (at most
 * INSN_BYTES_MAX + 1 are looked at), as the pos-th of its block.
 *
 * flat: DS, ES, SS and CS have base 0 and a limit of 4 GiB and may be read and
 * written, so memory operands through them go unchecked.  Ignored in 64-bit
 * mode, where FS and GS alone have bases.
 *
 * Fills in *i but for i->run, and returns its length, or DECODE_SHORT.  What is
 * no instruction comes out as INSN_UD (with the length seen so far, at least
 * 1), what has more than 15 bytes as INSN_TOO_LONG: handlers like any other,
 * which raise.  Any thread.
 */
unsigned decode(const uint8_t *bytes, unsigned avail, enum decode_bits,
    bool flat, uint16_t pos, const struct cpu_features *, struct insn *i);

#endif
