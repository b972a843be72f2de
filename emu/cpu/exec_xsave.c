/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_xsave.c - FXSAVE, FXRSTOR, the XSAVE family, XCR0
 *
 * The area (SDM 1, 13.4): 512 bytes of FXSAVE, a header of 64, then AVX's upper
 * halves at 576, which is where the compacted format has them, too, as there
 * is nothing else.  State is put together in a buffer and stored piece by
 * piece after all of the pieces have been probed.  XINUSE is exact: a
 * component is in use when it differs from its initial state.
 */
#include "cpu/model.h"
#include "cpu/x87.h"

#define MXCSR_INIT	0x1f80u
#define MXCSR_MASK	0xffffu
#define COMPACT		(1ull << 63)

/* Offsets into the area. */
enum {
	FCW = 0, FSW = 2, FTW = 4, FOP = 6, FIP = 8, FDP = 16, MXCSR = 24,
	ST = 32, XMM = 160, XMM_END = 416, HEADER = 512, XCOMP = 520,
	AVX = XSAVE_AVX_OFFSET, AREA_END = AVX + XSAVE_AVX_SIZE,
};

/* Registers 8 to 15 exist in 64-bit mode only. */
static unsigned
vec_count(const struct cpu *c)
{
	return c->bits == DECODE_64 ? 16 : 8;
}

static void
put_x87(const struct cpu *c, uint8_t *area, bool wide)
{
	unsigned top = c->fsw >> 11 & 7, k;

	memset(area + FTW, 0, 2);
	memcpy(area + FCW, &c->fcw, 2);
	memcpy(area + FSW, &c->fsw, 2);
	area[FTW] = c->ftw;
	memcpy(area + FOP, &c->fop, 2);
	memset(area + FIP, 0, 16);
	memcpy(area + FIP, &c->fip, wide ? 8 : 4);
	memcpy(area + FDP, &c->fdp, wide ? 8 : 4);
	if (!wide) {
		memcpy(area + FIP + 4, &c->fcs, 2);
		memcpy(area + FDP + 4, &c->fds, 2);
	}
	memset(area + ST, 0, 128);
	for (k = 0; k < 8; k++)
		memcpy(area + ST + 16 * k, c->fpr[(top + k) & 7], 10);
}

static void
put_mxcsr(const struct cpu *c, uint8_t *area)
{
	uint32_t v = fp_mxcsr(c), mask = MXCSR_MASK;

	memcpy(area + MXCSR, &v, 4);
	memcpy(area + MXCSR + 4, &mask, 4);
}

static void
put_vec(const struct cpu *c, uint8_t *to, unsigned half)
{
	unsigned k;

	for (k = 0; k < vec_count(c); k++)
		memcpy(to + 16 * k, c->vec[k] + half, 16);
}

static void
get_x87(struct cpu *c, const uint8_t *area, bool wide)
{
	uint16_t fcw, fsw, fop;
	unsigned top, k;

	memcpy(&fcw, area + FCW, 2);
	memcpy(&fsw, area + FSW, 2);
	memcpy(&fop, area + FOP, 2);
	c->fop = fop & 0x7ff;
	c->ftw = area[FTW];
	c->fip = c->fdp = 0;
	memcpy(&c->fip, area + FIP, wide ? 8 : 4);
	memcpy(&c->fdp, area + FDP, wide ? 8 : 4);
	c->fcs = c->fds = 0;	/* CPUID says they are deprecated */
	top = fsw >> 11 & 7;
	for (k = 0; k < 8; k++)
		memcpy(c->fpr[(top + k) & 7], area + ST + 16 * k, 10);
	x87_set(c, fcw, fsw);
}

static void
init_x87(struct cpu *c)
{
	memset(c->fpr, 0, sizeof(c->fpr));
	c->ftw = 0;
	c->fop = 0;
	c->fip = c->fdp = 0;
	c->fcs = c->fds = 0;
	x87_set(c, 0x37f, 0);
}

static void
get_vec(struct cpu *c, const uint8_t *from, unsigned half)
{
	unsigned k;

	for (k = 0; k < vec_count(c); k++) {
		if (from)
			memcpy(c->vec[k] + half, from + 16 * k, 16);
		else
			memset(c->vec[k] + half, 0, 16);
	}
}

static bool
any_vec(const struct cpu *c, unsigned half)
{
	uint64_t q[2], any = 0;
	unsigned k;

	for (k = 0; k < 16; k++) {
		memcpy(q, c->vec[k] + half, 16);
		any |= q[0] | q[1];
	}
	return any;
}

uint64_t
xsave_in_use(const struct cpu *c)
{
	uint64_t use = 0;
	unsigned k, j, any = 0;

	for (k = 0; k < 8; k++)
		for (j = 0; j < 10; j++)
			any |= c->fpr[k][j];
	if (any || c->fcw != 0x37f || c->fsw || c->ftw || c->fop || c->fip ||
	    c->fdp || c->fcs || c->fds)
		use |= XCR0_X87;
	if (any_vec(c, 0))
		use |= XCR0_SSE;
	if (any_vec(c, 16))
		use |= XCR0_AVX;
	return use;
}

/* --- FXSAVE, FXRSTOR ----------------------------------------------------- */

static void
check_x87(struct cpu *c, const struct insn *i)
{
	if (c->cr0 & (CR0_EM | CR0_TS))
		cpu_fault(c, i, EXC_NM);
}

/* Linear address of the area; its alignment is checked before the access. */
static uint64_t
area_at(struct cpu *c, const struct insn *i, unsigned len, unsigned align,
    int kind)
{
	uint64_t lin = cpu_linear(c, i, len, kind);

	if (lin & (align - 1))
		cpu_gp(c, i, 0);
	return lin;
}

static __attribute__((noinline)) void
fxsave(struct cpu *c, const struct insn *i)
{
	unsigned len = XMM + 16 * vec_count(c);
	uint8_t area[XMM_END];
	uint64_t lin;

	check_x87(c, i);
	x87_sync(c);
	lin = area_at(c, i, 512, 16, TLB_WRITE);
	put_x87(c, area, i->id == INSN_FXSAVE64_M);
	put_mxcsr(c, area);
	put_vec(c, area + XMM, 0);
	cpu_probe(c, i, lin, 512, TLB_WRITE);
	cpu_store_bytes(c, i, lin, area, len);
}
EXEC(x_fxsave) { fxsave(c, i); }

static void
check_mxcsr(struct cpu *c, const struct insn *i, uint32_t v)
{
	if (v & ~MXCSR_MASK)
		cpu_gp(c, i, 0);
}

static __attribute__((noinline)) void
fxrstor(struct cpu *c, const struct insn *i)
{
	uint8_t area[512];
	uint32_t mxcsr;

	check_x87(c, i);
	cpu_load_bytes(c, i, area_at(c, i, 512, 16, TLB_READ), area, 512);
	memcpy(&mxcsr, area + MXCSR, 4);
	check_mxcsr(c, i, mxcsr);
	get_x87(c, area, i->id == INSN_FXRSTOR64_M);
	get_vec(c, area + XMM, 0);
	vec_set_mxcsr(c, mxcsr);
}
void
x_fxrstor(struct cpu *c, const struct insn *i)
{
	fxrstor(c, i);
	cpu_resume(c, insn_next_rip(c, i));
}

/* --- XSAVE --------------------------------------------------------------- */

static void
check_xsave(struct cpu *c, const struct insn *i)
{
	if (!(c->cr4 & CR4_OSXSAVE))
		cpu_ud(c, i);
	if (c->cr0 & CR0_TS)
		cpu_fault(c, i, EXC_NM);
}

/* The components asked for: EDX:EAX and XCR0. */
static uint64_t
requested(const struct cpu *c)
{
	return ((uint64_t)(uint32_t)c->gpr[RDX] << 32 |
	    (uint32_t)c->gpr[RAX]) & c->xcr0;
}

/*
 * XSAVE stores all that is asked for; XSAVEOPT and XSAVEC leave out what is
 * in its initial state.  compact: XSAVEC, which also does not look at the
 * old header.
 */
static __attribute__((noinline)) void
xsave(struct cpu *c, const struct insn *i, bool wide, bool optimise,
    bool compact)
{
	uint64_t rfbm, use, put, lin, header[2];
	uint8_t area[AREA_END];
	unsigned n = 16 * vec_count(c);
	bool mxcsr;

	check_xsave(c, i);
	x87_sync(c);
	use = xsave_in_use(c);
	rfbm = requested(c);
	lin = area_at(c, i, xsave_size(c->xcr0), 64, TLB_WRITE);
	cpu_probe(c, i, lin, rfbm & XCR0_AVX ? AREA_END : AVX, TLB_WRITE);
	if (compact && fp_mxcsr(c) != MXCSR_INIT)
		use |= XCR0_SSE;
	header[1] = rfbm | COMPACT;
	if (compact)
		header[0] = rfbm & use;
	else
		header[0] = (cpu_load64(c, i, lin + HEADER) & ~rfbm) |
		    (rfbm & use);
	put = optimise ? rfbm & use : rfbm;
	mxcsr = compact ? put & XCR0_SSE : rfbm & (XCR0_SSE | XCR0_AVX);
	put_x87(c, area, wide);
	put_mxcsr(c, area);
	put_vec(c, area + XMM, 0);
	put_vec(c, area + AVX, 16);
	if (put & XCR0_X87) {
		cpu_store_bytes(c, i, lin, area, MXCSR);
		cpu_store_bytes(c, i, lin + ST, area + ST, XMM - ST);
	}
	if (mxcsr)
		cpu_store_bytes(c, i, lin + MXCSR, area + MXCSR, 8);
	if (put & XCR0_SSE)
		cpu_store_bytes(c, i, lin + XMM, area + XMM, n);
	if (put & XCR0_AVX)
		cpu_store_bytes(c, i, lin + AVX, area + AVX, n);
	cpu_store_bytes(c, i, lin + HEADER, header, compact ? 16 : 8);
}
EXEC(x_xsave) { xsave(c, i, i->id == INSN_XSAVE64_M, false, false); }
EXEC(x_xsaveopt) { xsave(c, i, i->id == INSN_XSAVEOPT64_M, true, false); }
EXEC(x_xsavec) { xsave(c, i, i->id == INSN_XSAVEC64_M, true, true); }

static __attribute__((noinline)) void
xrstor(struct cpu *c, const struct insn *i)
{
	uint64_t rfbm, bv, comp, header[8], lin;
	bool compact, load_mxcsr, init_mxcsr;
	uint8_t area[AREA_END];
	uint32_t mxcsr;
	unsigned k;

	check_xsave(c, i);
	rfbm = requested(c);
	lin = area_at(c, i, xsave_size(c->xcr0), 64, TLB_READ);
	cpu_load_bytes(c, i, lin, area, AVX);
	memcpy(header, area + HEADER, sizeof(header));
	bv = header[0];
	comp = header[1];
	compact = comp & COMPACT;
	/* SDM 1, 13.8: what an area may not say. */
	if (bv & ~c->xcr0 || (compact ? comp & ~COMPACT & ~c->xcr0 ||
	    bv & ~comp : comp || header[2]))
		cpu_gp(c, i, 0);
	for (k = 2; compact && k < 8; k++)
		if (header[k])
			cpu_gp(c, i, 0);
	memcpy(&mxcsr, area + MXCSR, 4);
	if (compact) {
		load_mxcsr = rfbm & bv & XCR0_SSE;
		init_mxcsr = rfbm & ~bv & XCR0_SSE;
	} else {
		load_mxcsr = rfbm & (XCR0_SSE | XCR0_AVX);
		init_mxcsr = false;
	}
	if (load_mxcsr)
		check_mxcsr(c, i, mxcsr);
	if (rfbm & bv & XCR0_AVX)
		cpu_load_bytes(c, i, lin + AVX, area + AVX,
		    16 * vec_count(c));
	if (rfbm & bv & XCR0_X87)
		get_x87(c, area, i->id == INSN_XRSTOR64_M);
	else if (rfbm & XCR0_X87)
		init_x87(c);
	if (rfbm & XCR0_SSE)
		get_vec(c, bv & XCR0_SSE ? area + XMM : NULL, 0);
	if (rfbm & XCR0_AVX)
		get_vec(c, bv & XCR0_AVX ? area + AVX : NULL, 16);
	if (load_mxcsr || init_mxcsr)
		vec_set_mxcsr(c, load_mxcsr ? mxcsr : MXCSR_INIT);
}
void
x_xrstor(struct cpu *c, const struct insn *i)
{
	xrstor(c, i);
	cpu_resume(c, insn_next_rip(c, i));
}

/* --- XCR0 ---------------------------------------------------------------- */

EXEC(x_xgetbv)
{
	if (!(c->cr4 & CR4_OSXSAVE))
		cpu_ud(c, i);
	/* ECX = 1 is a feature that no model has (CPUID.(0Dh,1).EAX bit 2). */
	if ((uint32_t)c->gpr[RCX])
		cpu_gp(c, i, 0);
	gpr_put32(c, RAX * 8, (uint32_t)c->xcr0);
	gpr_put32(c, RDX * 8, (uint32_t)(c->xcr0 >> 32));
}

/* x87 is always there, AVX not without SSE (SDM 1, 13.3). */
void
x_xsetbv(struct cpu *c, const struct insn *i)
{
	uint64_t v = (uint64_t)(uint32_t)c->gpr[RDX] << 32 |
	    (uint32_t)c->gpr[RAX], have = XCR0_X87 | XCR0_SSE;

	if (cpu_has(cpu_model_features(c->model), FEAT_AVX))
		have |= XCR0_AVX;
	if (!(c->cr4 & CR4_OSXSAVE))
		cpu_ud(c, i);
	if (c->cpl || (uint32_t)c->gpr[RCX] || !(v & XCR0_X87) ||
	    v & ~have || ((v & XCR0_AVX) && !(v & XCR0_SSE)))
		cpu_gp(c, i, 0);
	c->xcr0 = v;
	fp_mode_changed(c);
	cpu_resume(c, insn_next_rip(c, i));
}
