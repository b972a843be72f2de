/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec.h - operands of integer instructions
 *
 * Registers, memory and immediates by size.  A size that is a constant where
 * one of these is used costs nothing: the same functions serve the handlers
 * of any size and form (exec_*.c) and those made for one (fast_*.c).
 *
 * Values travel as uint64_t.  What comes out of a register or memory is
 * zero-extended; bits above the size that a computation leaves are ignored by
 * whoever stores or looks at the result.
 */
#ifndef CPU_EXEC_H
#define CPU_EXEC_H

#include "cpu/state.h"

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

INLINE unsigned size_bits(unsigned size) { return 8 * size; }
INLINE uint64_t size_mask(unsigned size) { return ~0ull >> (64 - 8 * size); }
INLINE bool
size_msb(uint64_t v, unsigned size)
{
	return v >> (8 * size - 1) & 1;
}

/* --- Registers ------------------------------------------------------------- */

INLINE uint64_t
gpr_get(const struct cpu *c, unsigned off, unsigned size)
{
	switch (size) {
	case 1: return gpr_get8(c, off);
	case 2: return gpr_get16(c, off);
	case 4: return gpr_get32(c, off);
	default: return gpr_get64(c, off);
	}
}

INLINE void
gpr_put(struct cpu *c, unsigned off, uint64_t v, unsigned size)
{
	switch (size) {
	case 1: gpr_put8(c, off, (uint8_t)v); break;
	case 2: gpr_put16(c, off, (uint16_t)v); break;
	case 4: gpr_put32(c, off, (uint32_t)v); break;
	default: gpr_put64(c, off, v); break;
	}
}

/* A register by number; AH to BH are never meant here. */
INLINE uint64_t
reg_get(const struct cpu *c, unsigned n, unsigned size)
{
	return gpr_get(c, 8 * n, size);
}
INLINE void
reg_put(struct cpu *c, unsigned n, uint64_t v, unsigned size)
{
	gpr_put(c, 8 * n, v, size);
}

/* --- Host memory ----------------------------------------------------------- */

INLINE uint64_t
host_get(const void *p, unsigned size)
{
	uint64_t v = 0;

	switch (size) {
	case 1: memcpy(&v, p, 1); break;
	case 2: memcpy(&v, p, 2); break;
	case 4: memcpy(&v, p, 4); break;
	default: memcpy(&v, p, 8); break;
	}
	return v;
}

INLINE void
host_put(void *p, uint64_t v, unsigned size)
{
	switch (size) {
	case 1: memcpy(p, &v, 1); break;
	case 2: memcpy(p, &v, 2); break;
	case 4: memcpy(p, &v, 4); break;
	default: memcpy(p, &v, 8); break;
	}
}

/* Compares and swaps aligned memory; *old is what was there. */
#define HOST_CAS(type)							\
	type was = (type)*old;						\
	bool done = __atomic_compare_exchange_n((type *)p, &was,	\
	    (type)v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
	*old = was;							\
	return done
INLINE bool
host_cas(void *p, uint64_t *old, uint64_t v, unsigned size)
{
	switch (size) {
	case 1: { HOST_CAS(uint8_t); }
	case 2: { HOST_CAS(uint16_t); }
	case 4: { HOST_CAS(uint32_t); }
	default: { HOST_CAS(uint64_t); }
	}
}
#undef HOST_CAS

/* --- Guest memory and operands --------------------------------------------- */

INLINE uint64_t
mem_load(struct cpu *c, const struct insn *i, uint64_t lin, unsigned size)
{
	switch (size) {
	case 1: return cpu_load8(c, i, lin);
	case 2: return cpu_load16(c, i, lin);
	case 4: return cpu_load32(c, i, lin);
	default: return cpu_load64(c, i, lin);
	}
}

INLINE void
mem_store(struct cpu *c, const struct insn *i, uint64_t lin, uint64_t v,
    unsigned size)
{
	switch (size) {
	case 1: cpu_store8(c, i, lin, (uint8_t)v); break;
	case 2: cpu_store16(c, i, lin, (uint16_t)v); break;
	case 4: cpu_store32(c, i, lin, (uint32_t)v); break;
	default: cpu_store64(c, i, lin, v); break;
	}
}

INLINE uint64_t
opd_load(struct cpu *c, const struct insn *i, unsigned size)
{
	return mem_load(c, i, cpu_linear(c, i, size, TLB_READ), size);
}
INLINE void
opd_store(struct cpu *c, const struct insn *i, uint64_t v, unsigned size)
{
	mem_store(c, i, cpu_linear(c, i, size, TLB_WRITE), v, size);
}

/* Operand n, of size bytes. */
INLINE uint64_t
opd_get(struct cpu *c, const struct insn *i, unsigned n, unsigned size)
{
	switch (i->opd[n].kind) {
	case OPD_MEM: return opd_load(c, i, size);
	case OPD_IMM: return i->imm;
	default: return gpr_get(c, i->opd[n].off, size);
	}
}

INLINE void
opd_put(struct cpu *c, const struct insn *i, unsigned n, uint64_t v,
    unsigned size)
{
	if (i->opd[n].kind == OPD_MEM)
		opd_store(c, i, v, size);
	else
		gpr_put(c, i->opd[n].off, v, size);
}

/* A 16-bit value; a register takes it as wide as the operand (SLDT, SMSW, MOV
 * from a segment register). */
static inline void
opd_put_word(struct cpu *c, const struct insn *i, uint64_t v)
{
	if (i->opd[0].kind == OPD_GPR && i->size == 2)
		gpr_put16(c, i->opd[0].off, v);
	else if (i->opd[0].kind == OPD_GPR && i->size == 4)
		gpr_put32(c, i->opd[0].off, v);
	else if (i->opd[0].kind == OPD_GPR)
		gpr_put64(c, i->opd[0].off, v);
	else
		cpu_store16(c, i, cpu_linear(c, i, 2, TLB_WRITE), v);
}

INLINE bool
opd_is_mem(const struct insn *i, unsigned n)
{
	return i->opd[n].kind == OPD_MEM;
}

/* --- Flags ------------------------------------------------------------------ */

/* Gives the flags of mask the values they have in v. */
static inline void
flags_assign(struct flags *f, uint32_t mask, uint32_t v)
{
	flags_put(f, (flags_get(f) & ~mask) | (v & mask));
}

/*
 * A result's SF, ZF and PF with the given CF, OF and AF.
 */
INLINE void
flags_result(struct flags *f, uint64_t res, unsigned size, bool cf, bool of,
    bool af)
{
	f->res = flags_sext(res, size);
	f->aux = (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30 | af << 3;
}

/* --- Stack ------------------------------------------------------------------ */

/* RSP as it will be after adding delta, wrapped as the stack is. */
static inline uint64_t
sp_plus(const struct cpu *c, int64_t delta)
{
	uint64_t sp = c->gpr[RSP], to = sp + (uint64_t)delta;

	if (c->stack64)
		return to;
	if (c->stack32)
		return (uint32_t)to;
	return (sp & ~0xffffull) | (to & 0xffff);
}

#endif
