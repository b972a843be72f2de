/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_vec.c - when vector code may run: checks, MXCSR, open exceptions
 *
 * With all SIMD exceptions masked, which is nearly always, an operation just
 * runs and its flags gather in the host's MXCSR.  With some unmasked ("open")
 * it runs masked all the same, on clean flags, and is judged by those that
 * rose before its result is stored (SDM 1, 11.5).
 */
#include <cpuid.h>
#include <pthread.h>

#include "cpu/x87.h"

#define MXCSR_FLAGS	0x3fu
#define MXCSR_MASKS	0x1f80u
#define MXCSR_FTZ	0x8000u
#define MXCSR_VALID	0xffffu
#define FLAG_IE		0x01u
#define FLAG_DE		0x02u
#define FLAG_ZE		0x04u
#define FLAG_UE		0x10u

unsigned vec_host;

/* --- The host's registers ------------------------------------------------ */

static void
host_features(void)
{
	unsigned a, b, c = 0, d, lo, hi, f = 0;

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return;
	f |= c & 1u << 9 ? HOST_SSSE3 : 0;
	f |= c & 1u << 19 ? HOST_SSE41 : 0;
	f |= c & 1u << 20 ? HOST_SSE42 : 0;
	f |= c & 1u << 25 ? HOST_AES : 0;
	f |= c & 1u << 1 ? HOST_PCLMUL : 0;
	if (c & 1u << 27) {
		/* What needs YMM state of the operating system. */
		__asm__("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
		if ((lo & 6) == 6) {
			f |= c & 1u << 28 ? HOST_AVX : 0;
			f |= c & 1u << 12 ? HOST_FMA : 0;
			f |= c & 1u << 29 ? HOST_F16C : 0;
		}
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		f |= b & 1u << 29 ? HOST_SHA : 0;
	vec_host = f;
}

static pthread_once_t host_once = PTHREAD_ONCE_INIT;

void
fp_host_baseline(bool on)
{
	pthread_once(&host_once, host_features);
	if (on)
		vec_host = 0;
	else
		host_features();
}

static void
mxcsr_to_host(struct cpu *c)
{
	vec_set_host_mxcsr((c->mxcsr & MXCSR_VALID & ~MXCSR_FLAGS) |
	    MXCSR_MASKS);
}

void
fp_enter(struct cpu *c)
{
	uint16_t fcw = c->fcw | 0x7f;

	pthread_once(&host_once, host_features);
	mxcsr_to_host(c);
	__asm__ volatile("fninit; fldcw %0" : : "m" (fcw));
	fp_mode_changed(c);
}

void
fp_leave(struct cpu *c)
{
	uint16_t fcw = 0x37f;

	x87_sync(c);
	c->mxcsr = fp_mxcsr(c);
	vec_set_host_mxcsr(MXCSR_MASKS);
	__asm__ volatile("fninit; fldcw %0" : : "m" (fcw));
}

uint32_t
fp_mxcsr(const struct cpu *c)
{
	return c->mxcsr | (vec_host_mxcsr() & MXCSR_FLAGS);
}

void
fp_reset(struct cpu *c)
{
	memset(c->vec, 0, sizeof(c->vec));
	memset(c->fpr, 0, sizeof(c->fpr));
	/* SDM 3A, table 9-1: the tags say zero, nothing is empty */
	c->fcw = 0x40;
	c->fsw = c->fop = 0;
	c->ftw = 0xff;
	c->x87_lazy = 0;
	c->fip = c->fdp = 0;
	c->fcs = c->fds = 0;
	c->mxcsr = MXCSR_MASKS;
	c->xcr0 = XCR0_X87;
	fp_mode_changed(c);
}

/* --- What may run -------------------------------------------------------- */

void
fp_mode_changed(struct cpu *c)
{
	bool em = c->cr0 & CR0_EM, ts = c->cr0 & CR0_TS;
	unsigned stop = 0;

	if (em || ts)
		stop |= FP_STOP_X87;
	if (ts && c->cr0 & CR0_MP)
		stop |= FP_STOP_WAIT;
	if (c->fsw & 0x80)
		stop |= FP_STOP_ES;
	if (em || ts || !(c->cr4 & CR4_OSFXSR))
		stop |= FP_STOP_SSE;
	if (ts || !(c->cr4 & CR4_OSXSAVE) || !cpu_protected(c) || cpu_v86(c) ||
	    (c->xcr0 & (XCR0_SSE | XCR0_AVX)) != (XCR0_SSE | XCR0_AVX))
		stop |= FP_STOP_AVX;
	if (~c->mxcsr & MXCSR_MASKS)
		stop |= FP_OPEN_SSE;
	if (~c->fcw & 0x3f)
		stop |= FP_OPEN_X87;
	c->fp_stop = (uint8_t)stop;
}

/* #UD before #NM before #MF (SDM 3A, table 6-8). */
void
vec_refuse(struct cpu *c, const struct insn *i, unsigned class)
{
	if (class & VC_SSE && !(c->cr4 & CR4_OSFXSR))
		cpu_ud(c, i);
	if (class & (VC_SSE | VC_MMX) && c->cr0 & CR0_EM)
		cpu_ud(c, i);
	if (class & VC_AVX && c->fp_stop & FP_STOP_AVX &&
	    !(c->cr0 & CR0_TS))
		cpu_ud(c, i);
	if (class & VC_AVX && (!(c->cr4 & CR4_OSXSAVE) || !cpu_protected(c) ||
	    cpu_v86(c) || (~c->xcr0 & (XCR0_SSE | XCR0_AVX))))
		cpu_ud(c, i);
	if (c->cr0 & CR0_TS)
		cpu_fault(c, i, EXC_NM);
	if (class & VC_MMX && c->fp_stop & FP_STOP_ES)
		fp_pending(c, i);
}

void
fp_pending(struct cpu *c, const struct insn *i)
{
	if (c->cr0 & CR0_NE)
		cpu_fault(c, i, EXC_MF);
	if (c->apic.ferr)
		c->apic.ferr(c->apic.opaque);
	c->fp_stop &= ~FP_STOP_ES;	/* IGNNE# from here on */
}

/* --- Open exceptions ----------------------------------------------------- */

void
vec_open_begin(struct cpu *c)
{
	uint32_t v;

	c->mxcsr = fp_mxcsr(c);
	v = (c->mxcsr & MXCSR_VALID & ~MXCSR_FLAGS) | MXCSR_MASKS;
	/* Flushing to zero is the masked answer to an underflow. */
	if (!(c->mxcsr & FLAG_UE << 7))
		v &= ~MXCSR_FTZ;
	vec_set_host_mxcsr(v);
}

/* A result that is tiny and exact is no underflow while that is masked. */
static bool
any_tiny(const void *result, unsigned n, unsigned class)
{
	const unsigned size = class & VC_F64 ? 8 : class & VC_F16 ? 2 : 4;
	const unsigned man = class & VC_F64 ? 52 : class & VC_F16 ? 10 : 23;
	const uint8_t *p = result;
	unsigned k;

	for (k = 0; k < n; k += size) {
		uint64_t q = 0;

		memcpy(&q, p + k, size);
		q &= (1ull << (size * 8 - 1)) - 1;
		if (q && !(q >> man))
			return true;
	}
	return false;
}

void
vec_open_end(struct cpu *c, const struct insn *i, unsigned class,
    const void *result, unsigned n)
{
	uint32_t rose = vec_host_mxcsr() & MXCSR_FLAGS;
	uint32_t open = ~c->mxcsr >> 7 & MXCSR_FLAGS;
	const uint32_t before = FLAG_IE | FLAG_DE | FLAG_ZE;

	mxcsr_to_host(c);
	if (class & VC_TINY && open & FLAG_UE && any_tiny(result, n, class))
		rose |= FLAG_UE;
	/* Those found before the operation keep it from happening. */
	if (rose & open & before)
		rose &= before;
	c->mxcsr |= rose;
	if (rose & open)
		cpu_fault(c, i, c->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
}

/* --- Loads and control --------------------------------------------------- */

const void *
vec_load_slow(struct cpu *c, const struct insn *i, uint64_t lin, unsigned n)
{
	cpu_load_bytes(c, i, lin, c->scratch, n);
	return c->scratch;
}

void
vec_set_mxcsr(struct cpu *c, uint32_t v)
{
	c->mxcsr = v;
	mxcsr_to_host(c);
	fp_mode_changed(c);
}

EXEC(x_ldmxcsr)
{
	uint32_t v;

	vec_check_any(c, i, 0);
	v = cpu_load32(c, i, cpu_linear(c, i, 4, TLB_READ));
	if (v & ~MXCSR_VALID)
		cpu_gp(c, i, 0);
	vec_set_mxcsr(c, v);
}

EXEC(x_stmxcsr)
{
	vec_check_any(c, i, 0);
	cpu_store32(c, i, cpu_linear(c, i, 4, TLB_WRITE), fp_mxcsr(c));
}

/* --- Binding ------------------------------------------------------------- */

#define BIND_SLOTS 1024u		/* a power of two, twice what there is */
static const struct vec_forms *bind_slots[BIND_SLOTS];
static pthread_once_t bind_once = PTHREAD_ONCE_INIT;

static unsigned
bind_hash(cpu_exec *generic)
{
	return (unsigned)((uintptr_t)generic >> 4) * 2654435761u >> 22;
}

static void
bind_build(void)
{
	static const struct vec_forms *const all[] = {
		vec_arith_forms, vec_int_forms, vec_shuffle_forms,
		vec_move_forms, vec_convert_forms, vec_crypto_forms,
		vec_fma_forms,
	};
	const struct vec_forms *f;
	unsigned k, h;

	for (k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		for (f = all[k]; f->generic; f++) {
			h = bind_hash(f->generic);
			while (bind_slots[h])
				h = (h + 1) % BIND_SLOTS;
			bind_slots[h] = f;
		}
	}
}

cpu_exec *
fp_bind(const struct insn *i, cpu_exec *generic)
{
	unsigned h = bind_hash(generic);
	const struct operand *o = i->opd;
	int width, kind;

	pthread_once(&bind_once, bind_build);
	while (bind_slots[h] && bind_slots[h]->generic != generic)
		h = (h + 1) % BIND_SLOTS;
	if (!bind_slots[h] || i->flags & INSN_CHECKED)
		return NULL;
	if (o[0].kind == OPD_VEC)
		kind = i->flags & INSN_MEM ? VF_RM :
		    o[1].kind == OPD_GPR || o[2].kind == OPD_GPR ? VF_RG : VF_RR;
	else if (o[0].kind == OPD_MEM && o[1].kind == OPD_VEC)
		kind = VF_MR;
	else if (o[0].kind == OPD_GPR)
		kind = i->flags & INSN_MEM ? VF_GM : VF_GR;
	else
		return NULL;
	if (kind != VF_RG && kind != VF_RM && kind != VF_GM &&
	    o[1].kind == OPD_MMX)
		return NULL;
	width = !vec_vex(i) ? VF_SSE : i->size == 32 ? VF_YMM : VF_VEX;
	return bind_slots[h]->form[width][kind];
}
