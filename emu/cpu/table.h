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
_Static_assert(FEAT_N <= 63, "struct cpu_features");

/*
 * What a processor has: bit n is feature n.  Bit 0 (FEAT_NONE) is always set.
 * LAHF counts in 64-bit mode only.  The last bit says nothing of the model: it
 * is set while the processor is in real or virtual-8086 mode, where VEX is not
 * known (SDM 2, 2.3.1).
 */
#define CPU_FEATURES_NO_VEX (1ull << 63)
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
	/* arithmetic flags it reads, writes, may leave undefined */
	uint16_t reads, writes, undefined;
};

#define DESC_LOCK	0x01	/* LOCK is allowed when opd[0] is memory */
#define DESC_ENDS	0x02	/* the block ends after it */
#define DESC_CPL0	0x04	/* privileged */
#define DESC_ALIGN	0x08	/* a vector in memory is aligned to its size */

extern const struct insn_desc insn_descs[INSN_N];

/* --- Compiled: what decode.c works with ---------------------------------- */

/* What chooses among the forms of one opcode; form.mask says which bits a
 * form cares for. */
#define KEY_MODRM	0x000ffu	/* the ModRM byte */
#define KEY_REG		0x00038u
#define KEY_MOD3	0x00100u
#define KEY_W		0x00200u
#define KEY_L		0x00400u
#define KEY_LONG	0x00800u	/* 64-bit mode */
#define KEY_REX_B	0x01000u
#define KEY_OSIZE(n)	((n) << 13)	/* 0 1 2: 16, 32, 64 bits */
#define KEY_ASIZE(n)	((n) << 15)

enum operand_from {
	FROM_NONE, FROM_A, FROM_B, FROM_C, FROM_D, FROM_E, FROM_G, FROM_H,
	FROM_I, FROM_IS, FROM_J, FROM_L, FROM_M, FROM_N, FROM_O, FROM_P,
	FROM_Q, FROM_R, FROM_S, FROM_U, FROM_V, FROM_W, FROM_X, FROM_Y,
	FROM_Z, FROM_ST0, FROM_STI,
	FROM_GPR,		/* a fixed one: operand.fixed is the offset */
	FROM_SEG,		/* a fixed one: operand.fixed is the number */
	FROM_ONE, FROM_BB, FROM_BD, FROM_KINDS
};

enum operand_type {
	TYPE_NONE, TYPE_b, TYPE_w, TYPE_d, TYPE_q, TYPE_dq, TYPE_qq, TYPE_v,
	TYPE_z, TYPE_y, TYPE_r, TYPE_x, TYPE_t, TYPE_a, TYPE_p, TYPE_s, TYPE_N
};

enum number_from { NUMBER_REG, NUMBER_RM, NUMBER_VVVV, NUMBER_OPCODE };

/* Where insn.size comes from. */
enum size_from { SIZE_OPERAND, SIZE_VECTOR, SIZE_MMX, SIZE_EFFECTIVE };

struct form {
	uint32_t mask, value;
	uint16_t id;
	uint8_t feature, bits;
	uint16_t how;		/* FORM_* */
	uint8_t size_from, size_operand;
	struct form_operand {
		uint8_t from, reg_type, mem_type;
		/* Registers: kind (enum operand_kind, 0 for what is not one),
		 * which number (enum number_from), bits of it that count, and
		 * offset = fixed + (number << shift). */
		uint8_t kind, number, mask, shift, fixed;
		bool or_memory;		/* when mod is not 3 */
	} opd[4];
};

#define FORM_D64	0x001
#define FORM_F64	0x002
#define FORM_ANY_MOD	0x004
#define FORM_VSIB	0x008
#define FORM_VEX	0x010
#define FORM_VVVV	0x020	/* VEX.vvvv names an operand */
#define FORM_L		0x040	/* VEX.L decides the size of vectors */
#define FORM_L256	0x080	/* it is 256 */
#define FORM_REP	0x100	/* F2 or F3 is part of the opcode */
#define FORM_NEEDS_AVX	0x200

/* One opcode in one map with one mandatory prefix. */
struct slot {
	uint16_t list;		/* where its forms begin in form_lists */
	bool modrm;		/* there is a ModRM byte */
	bool group;		/* list: 16 lists, by reg + 8 * (mod == 3) */
};

enum { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX, MAP_N = MAP_VEX + 3 };
#define SLOT(map, pp, opcode) (((map) * 4 + (pp)) * 256 + (opcode))

extern struct form forms[INSN_N];
extern struct slot slots[MAP_N * 4 * 256];
/* Numbers of forms; every list ends with 0, INSN_UD, which fits always. */
extern uint16_t form_lists[];

/* Makes the three from insn.tab, once; any thread. */
void table_init(void);

#endif
