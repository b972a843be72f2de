/* SPDX-License-Identifier: GPL-2.0-or-later */
/* table.c - insn.tab as an array */
#include "cpu/table.h"

#include "cpu/flags.h"

/* The words of the table's sixth column. */
enum {
	C = FLAG_CF, P = FLAG_PF, A = FLAG_AF, Z = FLAG_ZF, S = FLAG_SF,
	O = FLAG_OF, ALL = FLAGS_ARITH,
	LOCK = DESC_LOCK << 12, ENDS = DESC_ENDS << 12,
	CPL0 = DESC_CPL0 << 12, ALIGN = DESC_ALIGN << 12,
};
/* In one number: bits 0..11 written, 12..15 DESC_*, then undefined, read. */
#define W(flags) ((uint64_t)(flags))
#define U(flags) ((uint64_t)(flags) << 16)
#define R(flags) ((uint64_t)(flags) << 32)

const struct insn_desc insn_descs[INSN_N] = {
#define INSN(id, name, code, opds, feat, flags, handler)		\
	{								\
		.mnemonic = name, .encoding = code, .operands = opds,	\
		.exec = #handler, .feature = FEAT_##feat,		\
		.bits = ((flags) >> 12) & 15, .writes = (flags) & ALL,	\
		.undefined = ((uint64_t)(flags) >> 16) & ALL,		\
		.reads = ((uint64_t)(flags) >> 32) & ALL,		\
	},
#include "cpu/insn.tab"
#undef INSN
};
