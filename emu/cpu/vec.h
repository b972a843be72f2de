/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vec.h - what the handlers of vector instructions share
 *
 * An operation is written once, as a kernel: an always-inline function of one
 * or two 128-bit values.  A macro makes of it the generic handler, which takes
 * every operand form there is (MMX, legacy SSE, VEX of 128 and 256 bits;
 * registers and memory; exceptions unmasked), and quick ones for the usual
 * forms, which fp_bind() chooses when a block is decoded.  A quick one that
 * meets anything out of the way (a TLB miss, a misaligned operand, fp_stop)
 * jumps to the generic handler, so it needs no stack frame.
 *
 * 256-bit operations are two of 128: the instruction set is made that way,
 * and hosts need not have AVX.  Kernels of SSSE3 and later ask vec_host for
 * the instruction and otherwise do it in C.
 *
 * Floating point is asm, never an intrinsic: the compiler may swap the
 * operands of an addition, which decides whose NaN comes out, and may move it
 * past a look at MXCSR.
 */
#ifndef CPU_VEC_H
#define CPU_VEC_H

#include <emmintrin.h>

#include "cpu/fp.h"
#include "cpu/table.h"

#define VEC_INLINE static inline __attribute__((always_inline))

/* What the host has beyond SSE2. */
#define HOST_SSSE3	0x001u
#define HOST_SSE41	0x002u
#define HOST_SSE42	0x004u
#define HOST_AES	0x008u
#define HOST_PCLMUL	0x010u
#define HOST_SHA	0x020u
#define HOST_FMA	0x040u
#define HOST_F16C	0x080u
#define HOST_AVX	0x100u
extern unsigned vec_host;

/* One 128-bit value, as it is or by its elements. */
union vec {
	__m128i v;
	__m128 ps;
	__m128d pd;
	uint8_t b[16];
	int8_t sb[16];
	uint16_t w[8];
	int16_t sw[8];
	uint32_t d[4];
	int32_t sd[4];
	uint64_t q[2];
	int64_t sq[2];
	float f[4];
	double df[2];
};

/* --- Classes ------------------------------------------------------------- */

/* What a handler's instruction is, for the checks before it. */
#define VC_MMX		0x0100u	/* uses MMX registers */
#define VC_SSE		0x0200u
#define VC_AVX		0x0400u
/* and of floating-point operations, for unmasked exceptions: */
#define VC_F32		0x1000u	/* element of the result */
#define VC_F64		0x2000u
#define VC_FP		(VC_F32 | VC_F64 | VC_FLAGS)
#define VC_FLAGS	0x4000u	/* may set flags, its result is no float */
#define VC_SCALAR	0x8000u
#define VC_TINY		0x10000u /* may underflow */

/* The bits of fp_stop that concern a class. */
VEC_INLINE unsigned
vec_stops(unsigned class)
{
	return (class & VC_MMX ? FP_STOP_X87 | FP_STOP_ES : 0) |
	    (class & VC_SSE ? FP_STOP_SSE : 0) |
	    (class & VC_AVX ? FP_STOP_AVX : 0) |
	    (class & VC_FP ? FP_OPEN_SSE : 0);
}

/* Raises #UD, #NM or #MF where the class may not run now; otherwise returns
 * (FERR#, open exceptions). */
void vec_refuse(struct cpu *, const struct insn *, unsigned class);

VEC_INLINE void
vec_check(struct cpu *c, const struct insn *i, unsigned class)
{
	if (unlikely(c->fp_stop & (vec_stops(class) & ~FP_OPEN_SSE)))
		vec_refuse(c, i, class);
}

VEC_INLINE bool
vec_vex(const struct insn *i)
{
	return i->prefix & PREFIX_VEX;
}

/* Legacy or VEX as the insn is. */
VEC_INLINE void
vec_check_any(struct cpu *c, const struct insn *i, unsigned class)
{
	vec_check(c, i, (class & ~(VC_SSE | VC_AVX)) |
	    (vec_vex(i) ? VC_AVX : VC_SSE));
}

/* An x87 exception is pending and a waiting instruction came: #MF, or FERR#
 * and the instruction goes on. */
void fp_pending(struct cpu *, const struct insn *);

/* --- Unmasked exceptions ------------------------------------------------- */

/*
 * Round an operation whose class is in VC_FP: nothing while all exceptions
 * are masked.  Otherwise begin clears the host's flags and end looks at those
 * that rose: it raises #XM (#UD) or merges them.  result: where the elements
 * are, n bytes; not yet stored.
 */
void vec_open_begin(struct cpu *);
void vec_open_end(struct cpu *, const struct insn *, unsigned class,
    const void *result, unsigned n);

VEC_INLINE void
vec_fp_begin(struct cpu *c, unsigned class)
{
	if (class & VC_FP && unlikely(c->fp_stop & FP_OPEN_SSE))
		vec_open_begin(c);
}

VEC_INLINE void
vec_fp_end(struct cpu *c, const struct insn *i, unsigned class,
    const void *result, unsigned n)
{
	if (class & VC_FP && unlikely(c->fp_stop & FP_OPEN_SSE))
		vec_open_end(c, i, class, result, n);
}

/* MXCSR anew, reserved bits checked before. */
void vec_set_mxcsr(struct cpu *, uint32_t);

/* The x87 control and status words anew: ES and B follow from both, and what
 * the host's control word has (exec_x87_env.c). */
void x87_set(struct cpu *, uint16_t fcw, uint16_t fsw);

VEC_INLINE uint32_t
vec_host_mxcsr(void)
{
	uint32_t v;

	__asm__ volatile("stmxcsr %0" : "=m" (v));
	return v;
}

VEC_INLINE void
vec_set_host_mxcsr(uint32_t v)
{
	__asm__ volatile("ldmxcsr %0" : : "m" (v));
}

/* --- Registers and memory ------------------------------------------------ */

VEC_INLINE void *
vec_reg(struct cpu *c, const struct operand *o)
{
	return (uint8_t *)c->vec + o->off;
}

VEC_INLINE void *
vec_mm(struct cpu *c, const struct operand *o)
{
	return (uint8_t *)c->fpr + o->off;
}

/* n bytes at lin, in guest memory or copied to cpu.scratch. */
const void *vec_load_slow(struct cpu *, const struct insn *, uint64_t lin,
    unsigned n);
VEC_INLINE const void *
vec_at(struct cpu *c, const struct insn *i, uint64_t lin, unsigned n)
{
	const void *p = tlb_find(c, lin, n, TLB_READ);

	return likely(p) ? p : vec_load_slow(c, i, lin, n);
}

/* The memory operand's n bytes; align is 1 or what it must be aligned to. */
VEC_INLINE const void *
vec_mem(struct cpu *c, const struct insn *i, unsigned n, unsigned align)
{
	uint64_t lin = cpu_linear(c, i, n, TLB_READ);

	if (unlikely(lin & (align - 1)))
		cpu_gp(c, i, 0);
	return vec_at(c, i, lin, n);
}

VEC_INLINE void
vec_put_mem(struct cpu *c, const struct insn *i, const void *v, unsigned n,
    unsigned align)
{
	uint64_t lin = cpu_linear(c, i, n, TLB_WRITE);
	void *p;

	if (unlikely(lin & (align - 1)))
		cpu_gp(c, i, 0);
	p = tlb_find(c, lin, n, TLB_WRITE);
	if (likely(p))
		memcpy(p, v, n);
	else
		cpu_store_bytes(c, i, lin, v, n);
}

/* Bytes of an operand, n of them, wherever it is (not a GPR). */
VEC_INLINE const void *
vec_src(struct cpu *c, const struct insn *i, const struct operand *o,
    unsigned n, unsigned align)
{
	if (o->kind == OPD_MEM)
		return vec_mem(c, i, n, align);
	return o->kind == OPD_MMX ? vec_mm(c, o) : vec_reg(c, o);
}

/* Legacy SSE wants 16-byte operands aligned, VEX does not. */
VEC_INLINE unsigned
vec_align(const struct insn *i, unsigned n)
{
	return n == 16 && !vec_vex(i) ? 16 : 1;
}

VEC_INLINE __m128i
vec_load(const void *p)
{
	return _mm_loadu_si128(p);
}

/* 4, 8 or 16 bytes into the low end, the rest 0. */
VEC_INLINE __m128i
vec_load_n(const void *p, unsigned n)
{
	uint32_t d;

	if (n == 16)
		return _mm_loadu_si128(p);
	if (n == 8)
		return _mm_loadl_epi64(p);
	memcpy(&d, p, 4);
	return _mm_cvtsi32_si128((int)d);
}

/* A 128-bit result to a register: VEX clears what lies above. */
VEC_INLINE void
vec_put(struct cpu *c, const struct insn *i, const struct operand *o,
    __m128i v)
{
	uint8_t *p = vec_reg(c, o);

	_mm_store_si128((__m128i *)p, v);
	if (vec_vex(i))
		_mm_store_si128((__m128i *)(p + 16), _mm_setzero_si128());
}

VEC_INLINE void
vec_put2(struct cpu *c, const struct operand *o, __m128i lo, __m128i hi)
{
	uint8_t *p = vec_reg(c, o);

	_mm_store_si128((__m128i *)p, lo);
	_mm_store_si128((__m128i *)(p + 16), hi);
}

/* MMX instructions make all of the x87 stack valid with TOP 0, and the
 * exponent of what they write ones (SDM 1, 9.5). */
VEC_INLINE void
vec_mmx_enter(struct cpu *c)
{
	c->fsw &= ~0x3800;
	c->ftw = 0xff;
}

VEC_INLINE void
vec_put_mm(struct cpu *c, const struct operand *o, __m128i v)
{
	uint8_t *p = vec_mm(c, o);

	_mm_storel_epi64((__m128i *)p, v);
	p[8] = p[9] = 0xff;
}

VEC_INLINE void
vec_put_gpr(struct cpu *c, const struct operand *o, uint64_t v)
{
	if (o->size == 8)
		gpr_put64(c, o->off, v);
	else
		gpr_put32(c, o->off, (uint32_t)v);
}

/* --- Handlers out of kernels --------------------------------------------- */

/* The quick handlers of one generic one; NULL: none for that form. */
enum {
	VF_RR, VF_RM, VF_MR,	/* vector registers, a load, a store */
	VF_RG, VF_GR, VF_GM,	/* from, to a general register; to it from memory */
	VF_KINDS
};
enum { VF_SSE, VF_VEX, VF_YMM, VF_WIDTHS };	/* legacy, VEX.128, VEX.256 */
struct vec_forms {
	cpu_exec *generic;
	cpu_exec *form[VF_WIDTHS][VF_KINDS];
};

/* Where fp_bind() looks; each ends with a NULL generic. */
extern const struct vec_forms vec_arith_forms[], vec_int_forms[],
    vec_shuffle_forms[], vec_move_forms[], vec_convert_forms[],
    vec_crypto_forms[], vec_fma_forms[];

/* More of a class: how operands are taken */
#define VC_UNARY	0x20000u /* one source, opd[1]; a is not used */
#define VC_F16		0x80000u /* elements of the result, for VC_TINY */
#define VC_IMM3		0x100000u /* legacy: bits 7:3 of imm8 do not count */
#define VC_WIDE		0x40000u /* scalar of 8 bytes, though not VC_F64 */

/*
 * a: first source (the destination of legacy forms), b: second, or the only
 * one.  Scalars: b's low element; the rest of the result comes from a.
 */
typedef __m128i vec_kernel(__m128i a, __m128i b, unsigned imm);

VEC_INLINE unsigned
vec_imm(const struct insn *i, unsigned class, bool vex)
{
	return (unsigned)i->imm & (class & VC_IMM3 && !vex ? 7u : ~0u);
}

VEC_INLINE unsigned
vec_scalar_size(unsigned class)
{
	return class & (VC_F64 | VC_WIDE) ? 8 : 4;
}

/* Any form of an operation.  mmx: the kernel for MMX registers, low halves
 * of a and b being the operands. */
VEC_INLINE void
vec_generic(struct cpu *c, const struct insn *i, unsigned class,
    vec_kernel *k, vec_kernel *mmx)
{
	const struct operand *o = i->opd;
	const struct operand *a = vec_vex(i) ? &o[1] : &o[0];
	const struct operand *b =
	    class & VC_UNARY || !vec_vex(i) ? &o[1] : &o[2];
	const uint8_t *pa, *pb;
	union vec r[2];
	unsigned n;

	if (o->kind == OPD_MMX) {
		vec_check(c, i, VC_MMX);
		n = b->kind == OPD_MEM ? b->size : 8;
		pb = vec_src(c, i, b, n, 1);
		r[0].v = mmx(_mm_loadl_epi64(vec_mm(c, o)), vec_load_n(pb, n),
		    (unsigned)i->imm);
		vec_mmx_enter(c);
		vec_put_mm(c, o, r[0].v);
		return;
	}
	vec_check_any(c, i, class);
	n = class & VC_SCALAR ? vec_scalar_size(class) : i->size;
	pb = vec_src(c, i, b, n, vec_align(i, n));
	pa = vec_reg(c, a);
	vec_fp_begin(c, class);
	r[0].v = k(vec_load(pa), class & VC_SCALAR ? vec_load_n(pb, n) :
	    vec_load(pb), vec_imm(i, class, vec_vex(i)));
	if (!(class & VC_SCALAR) && n == 32)
		r[1].v = k(vec_load(pa + 16), vec_load(pb + 16),
		    (unsigned)i->imm);
	vec_fp_end(c, i, class, r, !(class & VC_SCALAR) ? n :
	    class & VC_F64 ? 8 : 4);
	if (!(class & VC_SCALAR) && n == 32)
		vec_put2(c, o, r[0].v, r[1].v);
	else
		vec_put(c, i, o, r[0].v);
}

/* The memory operand (unchecked) if it is an easy one, else NULL. */
VEC_INLINE void *
vec_quick_mem(struct cpu *c, const struct insn *i, unsigned n, unsigned align,
    int kind)
{
	uint64_t lin = cpu_ea(c, i);

	if (unlikely(lin & (align - 1)))
		return NULL;
	return tlb_find(c, lin, n, kind);
}

/* One form of an operation; false: not today, ask the generic handler. */
VEC_INLINE bool
vec_quick(struct cpu *c, const struct insn *i, unsigned class, vec_kernel *k,
    int width, int kind)
{
	const struct operand *o = i->opd;
	const uint8_t *pa = vec_reg(c, width ? &o[1] : &o[0]);
	const uint8_t *pb;
	uint8_t *d = vec_reg(c, o);
	unsigned n = class & VC_SCALAR ? vec_scalar_size(class) :
	    width == VF_YMM ? 32 : 16;
	__m128i lo, hi;

	if (unlikely(c->fp_stop & vec_stops((class & ~VC_SSE) |
	    (width ? VC_AVX : VC_SSE))))
		return false;
	if (kind == VF_RM) {
		pb = vec_quick_mem(c, i, n, width || n != 16 ? 1 : 16,
		    TLB_READ);
		if (unlikely(!pb))
			return false;
	} else {
		pb = vec_reg(c, class & VC_UNARY || !width ? &o[1] : &o[2]);
	}
	lo = k(vec_load(pa), class & VC_SCALAR && kind == VF_RM ?
	    vec_load_n(pb, n) : vec_load(pb), vec_imm(i, class, width));
	hi = _mm_setzero_si128();
	if (width == VF_YMM)
		hi = k(vec_load(pa + 16), vec_load(pb + 16), (unsigned)i->imm);
	_mm_store_si128((__m128i *)d, lo);
	if (width)
		_mm_store_si128((__m128i *)(d + 16), hi);
	return true;
}

#define VEC_QUICK_DEFINE(name, suffix, class, k, width, kind)		\
	static void							\
	name##_##suffix(struct cpu *c, const struct insn *i)		\
	{								\
		if (unlikely(!vec_quick(c, i, class, k, width, kind))) {	\
			x_##name(c, i);					\
			return;						\
		}							\
		CPU_NEXT(c, i);						\
	}

/* x_name and its quick forms; for VEC_FORMS(name) in a table. */
#define VEC_OP_MMX(name, class, k, mmx)					\
	void								\
	x_##name(struct cpu *c, const struct insn *i)			\
	{								\
		vec_generic(c, i, class, k, mmx);			\
		CPU_NEXT(c, i);						\
	}								\
	VEC_QUICK_DEFINE(name, rr, class, k, VF_SSE, VF_RR)		\
	VEC_QUICK_DEFINE(name, rm, class, k, VF_SSE, VF_RM)		\
	VEC_QUICK_DEFINE(name, vrr, class, k, VF_VEX, VF_RR)		\
	VEC_QUICK_DEFINE(name, vrm, class, k, VF_VEX, VF_RM)		\
	VEC_QUICK_DEFINE(name, yrr, class, k,				\
	    (class) & VC_SCALAR ? VF_VEX : VF_YMM, VF_RR)		\
	VEC_QUICK_DEFINE(name, yrm, class, k,				\
	    (class) & VC_SCALAR ? VF_VEX : VF_YMM, VF_RM)
#define VEC_OP(name, class, k)	VEC_OP_MMX(name, class, k, k)
#define VEC_FORMS(name)							\
	{ x_##name, { { name##_rr, name##_rm }, { name##_vrr, name##_vrm }, \
	    { name##_yrr, name##_yrm } } },

/* A value of 16 bytes from two and an immediate: what VEC_OP makes handlers of. */
#define VEC_KERNEL(name)							\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)

/* A handler for one form: tries the short way, else runs the one of all forms. */
#define VEC_QUICK(name, suffix, call)					\
	static void							\
	name##_##suffix(struct cpu *c, const struct insn *i)		\
	{								\
		if (unlikely(!(call))) {				\
			x_##name(c, i);					\
			return;						\
		}							\
		CPU_NEXT(c, i);						\
	}

#endif
