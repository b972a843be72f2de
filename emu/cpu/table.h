/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - the instruction table (insn.tab) as C sees it
 *
 * Numbers of the forms, names of the handlers, features, and a description of
 * every form.
 */
#ifndef CPU_TABLE_H
#define CPU_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/insn.h"

/*
 * Features that instructions depend on: name as in -cpu x,+name, and the bit
 * of CPUID that says it (SDM volume 2, CPUID; for LAHF, LZCNT also APM 3):
 * leaf, subleaf, register (0 EAX .. 3 EDX), bit.
 */
#define CPU_FEATURES(F)						\
	F(FPU,		"fpu",		0x1, 0, 3, 0)		\
	F(TSC,		"tsc",		0x1, 0, 3, 4)		\
	F(MSR,		"msr",		0x1, 0, 3, 5)		\
	F(CX8,		"cx8",		0x1, 0, 3, 8)		\
	F(SEP,		"sep",		0x1, 0, 3, 11)		\
	F(CMOV,		"cmov",		0x1, 0, 3, 15)		\
	F(CLFSH,	"clflush",	0x1, 0, 3, 19)		\
	F(MMX,		"mmx",		0x1, 0, 3, 23)		\
	F(FXSR,		"fxsr",		0x1, 0, 3, 24)		\
	F(SSE,		"sse",		0x1, 0, 3, 25)		\
	F(SSE2,		"sse2",		0x1, 0, 3, 26)		\
	F(SSE3,		"pni",		0x1, 0, 2, 0)		\
	F(PCLMUL,	"pclmulqdq",	0x1, 0, 2, 1)		\
	F(MONITOR,	"monitor",	0x1, 0, 2, 3)		\
	F(SSSE3,	"ssse3",	0x1, 0, 2, 9)		\
	F(FMA,		"fma",		0x1, 0, 2, 12)		\
	F(CX16,		"cx16",		0x1, 0, 2, 13)		\
	F(SSE41,	"sse4.1",	0x1, 0, 2, 19)		\
	F(SSE42,	"sse4.2",	0x1, 0, 2, 20)		\
	F(MOVBE,	"movbe",	0x1, 0, 2, 22)		\
	F(POPCNT,	"popcnt",	0x1, 0, 2, 23)		\
	F(AES,		"aes",		0x1, 0, 2, 25)		\
	F(XSAVE,	"xsave",	0x1, 0, 2, 26)		\
	F(AVX,		"avx",		0x1, 0, 2, 28)		\
	F(F16C,		"f16c",		0x1, 0, 2, 29)		\
	F(RDRAND,	"rdrand",	0x1, 0, 2, 30)		\
	F(FSGSBASE,	"fsgsbase",	0x7, 0, 1, 0)		\
	F(BMI1,		"bmi1",		0x7, 0, 1, 3)		\
	F(AVX2,		"avx2",		0x7, 0, 1, 5)		\
	F(BMI2,		"bmi2",		0x7, 0, 1, 8)		\
	F(INVPCID,	"invpcid",	0x7, 0, 1, 10)		\
	F(RDSEED,	"rdseed",	0x7, 0, 1, 18)		\
	F(ADX,		"adx",		0x7, 0, 1, 19)		\
	F(SMAP,		"smap",		0x7, 0, 1, 20)		\
	F(CLFLUSHOPT,	"clflushopt",	0x7, 0, 1, 23)		\
	F(CLWB,		"clwb",		0x7, 0, 1, 24)		\
	F(SHA,		"sha-ni",	0x7, 0, 1, 29)		\
	F(XSAVEOPT,	"xsaveopt",	0xd, 1, 0, 0)		\
	F(XSAVEC,	"xsavec",	0xd, 1, 0, 1)		\
	F(LAHF,		"lahf-lm",	0x80000001, 0, 2, 0)	\
	F(LZCNT,	"abm",		0x80000001, 0, 2, 5)	\
	F(SYSCALL,	"syscall",	0x80000001, 0, 3, 11)	\
	F(RDTSCP,	"rdtscp",	0x80000001, 0, 3, 27)

enum cpu_feature {
	FEAT_NONE,
#define F(name, ...) FEAT_##name,
	CPU_FEATURES(F)
#undef F
	FEAT_N
};
_Static_assert(FEAT_N <= 64, "struct cpu_features");

/* What a processor has: bit n is feature n.  Bit 0 (FEAT_NONE) is always set.
 * LAHF counts in 64-bit mode only. */
struct cpu_features {
	uint64_t bits;
};

static inline bool
cpu_has(const struct cpu_features *f, enum cpu_feature which)
{
	return f->bits >> which & 1;
}

/* The forms: INSN_ADD_Eb_Gb ... */
enum insn_id {
#define INSN(id, mnemonic, encoding, operands, feature, flags, exec) INSN_##id,
#include "cpu/insn.tab"
#undef INSN
	INSN_N
};

/* The handlers: x_add ... */
#define INSN(id, mnemonic, encoding, operands, feature, flags, exec) \
	cpu_exec exec;
#include "cpu/insn.tab"
#undef INSN

/* A form as the table has it. */
struct insn_desc {
	const char *mnemonic, *encoding, *operands, *exec;
	uint8_t feature;	/* enum cpu_feature */
	uint8_t bits;		/* DESC_* */
	/* arithmetic flags (FLAG_CF ...) it reads, writes, may leave undefined */
	uint16_t reads, writes, undefined;
};

#define DESC_LOCK	0x01	/* LOCK is allowed when opd[0] is memory */
#define DESC_ENDS	0x02	/* the block ends after it */
#define DESC_CPL0	0x04	/* privileged */
#define DESC_ALIGN	0x08	/* a vector in memory is aligned to its size */

extern const struct insn_desc insn_descs[INSN_N];

#endif
