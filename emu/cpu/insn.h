/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * insn.h - one decoded instruction
 *
 * decode.c fills in struct insn from the bytes and the instruction table
 * (insn.tab); the interpreter runs it, disasm.c prints it, the translator
 * will compile it.  Everything a handler needs is here in the form it needs
 * it: registers as byte offsets into the register file, addresses as
 * base + (index << scale) + disp with registers that read as zero where there
 * is none, RIP-relative addresses and branch targets relative to the start of
 * the block, so that one block serves every address its page is mapped at.
 *
 * One cache line each.
 */
#ifndef CPU_INSN_H
#define CPU_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu;
struct insn;

typedef void cpu_exec(struct cpu *, const struct insn *);

/* The mode code is decoded in: a part of a block's key. */
enum decode_bits { DECODE_16, DECODE_32, DECODE_64 };

/* Register numbers beyond the sixteen. */
#define REG_ZERO	16	/* reads as 0: no base, no index */
#define REG_BLOCK	17	/* RIP of the block's first byte */

enum operand_kind {
	OPD_NONE,
	OPD_GPR,		/* off: byte offset into cpu.gpr (AH: 1) */
	OPD_MEM,		/* the address fields of the insn */
	OPD_IMM,		/* insn.imm, sign- or zero-extended to 64 bits */
	OPD_REL,		/* insn.imm: target's RIP minus the block's */
	OPD_FAR,		/* imm: offset, imm2: selector */
	OPD_SEG,		/* off: segment number */
	OPD_CR, OPD_DR,		/* off: number */
	OPD_ST,			/* off: 0..7 */
	OPD_MMX,		/* off: byte offset into cpu.fpr */
	OPD_VEC,		/* off: byte offset into cpu.vec */
	OPD_IMM2,		/* insn.imm2 (ENTER, EXTRQ, INSERTQ) */
};

struct operand {
	uint8_t kind;
	uint8_t size;		/* bytes: 1 2 4 8 10 16 32, odd ones too; 0: no fixed size */
	uint16_t off;
};

#define PREFIX_LOCK	0x01
#define PREFIX_REP	0x02	/* F3, where it is not part of the opcode */
#define PREFIX_REPNE	0x04
#define PREFIX_REX	0x08
#define PREFIX_VEX	0x10	/* VEX encoded: upper bits are zeroed */
#define PREFIX_OPSIZE	0x20	/* 66 was there */
#define PREFIX_ADSIZE	0x40
#define PREFIX_W	0x80	/* REX.W or VEX.W, in 64-bit mode */

/* insn.flags, from the table and the operands */
#define INSN_MEM	0x01	/* has a memory operand */
#define INSN_CHECKED	0x02	/* its segment's base, limit and rights are to be asked */
#define INSN_ENDS	0x04	/* the block ends after it: jumps, and all that may change
				 * the mode, the mapping or the pending requests */
#define INSN_ALONE	0x80	/* runs by itself: keeps no chains (block.c) */

struct insn {
	cpu_exec *run;
	uint64_t imm;
	int64_t disp;
	uint64_t amask;		/* of the effective address: by address size */
	struct operand opd[4];
	uint16_t id;		/* enum insn_id of insn.tab */
	uint16_t pos;		/* first byte, from the block's start */
	uint16_t imm2;
	uint8_t len;
	uint8_t prefix;
	uint8_t size;		/* operand size in bytes (1 2 4 8; vectors: 16, 32) */
	uint8_t flags;
	uint8_t seg;		/* of the memory operand: SEG_ES.. or SEG_FLAT */
	uint8_t base, index, scale;	/* register numbers; shift */
	uint8_t asize;		/* address size: 2 4 8 */
	uint8_t cond;		/* low 4 bits of the opcode: Jcc, SETcc, CMOVcc */
};
_Static_assert(sizeof(struct insn) == 64, "one cache line");

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_FLAT, SEG_N };

#endif
