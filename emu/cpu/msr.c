/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c - model specific registers (SDM 4), the time stamp counter and
 * kvmclock
 */
#include <time.h>

#include "cpu/block.h"
#include "cpu/model.h"
#include "cpu/paging.h"
#include "cpu/system.h"

uint64_t
cpu_tsc(const struct cpu *c)
{
	return cpu_host_tsc() + c->tsc_offset;
}

void
cpu_tsc_reset(struct cpu *c)
{
	/* All processors count from the machine's start: guests compare. */
	c->tsc_offset = -cpu_model_tsc_start();
}

/* --- kvmclock: a page that says how time stamps become nanoseconds --- */

static uint64_t
tsc_to_ns(uint64_t tsc)
{
	return (uint64_t)((unsigned __int128)tsc * 1000000000 / cpu_tsc_hz());
}

/* struct pvclock_vcpu_time_info of Linux's guest interface: version u32, pad,
 * tsc_timestamp u64, system_time u64, mul u32, shift s8, flags u8, pad 2. */
static void
write_system_time(struct cpu *c, uint64_t msr)
{
	uint8_t page[32] = { 0 };
	uint64_t tsc = cpu_tsc(c), ns = tsc_to_ns(tsc), hz = cpu_tsc_hz();
	uint32_t mul;
	int8_t shift = 0;
	uint32_t version = 2;

	if (!(msr & 1))
		return;
	/* ns = ((tsc << shift) * mul) >> 32, mul below 2^32 */
	while (hz > 2000000000ull) {
		hz >>= 1;
		shift--;
	}
	while (hz <= 1000000000ull) {
		hz <<= 1;
		shift++;
	}
	mul = (uint32_t)((1000000000ull << 32) / hz);
	memcpy(page, &version, 4);
	memcpy(page + 8, &tsc, 8);
	memcpy(page + 16, &ns, 8);
	memcpy(page + 24, &mul, 4);
	memcpy(page + 28, &shift, 1);
	page[29] = 1;		/* monotonic over all processors */
	mem_write(c->mem, msr & ~1ull, page, sizeof(page));
}

/* struct pvclock_wall_clock: version, seconds, nanoseconds at boot. */
static void
write_wall_clock(struct cpu *c, uint64_t gpa)
{
	struct timespec now;
	uint64_t ns;
	uint32_t wall[3] = { 2 };

	clock_gettime(CLOCK_REALTIME, &now);
	ns = now.tv_sec * 1000000000ull + now.tv_nsec - tsc_to_ns(cpu_tsc(c));
	wall[1] = ns / 1000000000;
	wall[2] = ns % 1000000000;
	mem_write(c->mem, gpa, wall, sizeof(wall));
}

/* --- The registers ------------------------------------------------------------------- */

#define MSR_MTRR_FIXED 11

/* The numbers of the fixed-range MTRRs (SDM 3A, 11.11.2.2), in our order. */
static int
mtrr_index(uint32_t msr)
{
	static const uint16_t fixed[MSR_MTRR_FIXED] = { 0x250, 0x258, 0x259,
	    0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f };

	if (msr >= 0x200 && msr < 0x210)
		return msr - 0x200;
	for (unsigned n = 0; n < MSR_MTRR_FIXED; n++)
		if (fixed[n] == msr)
			return 16 + n;
	return -1;
}

static bool
is_apic_msr(uint32_t msr)
{
	return msr == 0x1b || msr == 0x6e0 || (msr >= 0x800 && msr < 0x900);
}

/* Registers that exist, read as 0 and keep nothing: microcode revision,
 * machine checks, AMD's HWCR, NB_CFG and the like, which kernels touch. */
static bool
is_quiet(uint32_t msr)
{
	switch (msr) {
	case 0x17: case 0x8b: case 0x79:
	case 0x179: case 0x17a: case 0x17b:
	case 0x1d9: case 0x1db: case 0x1dc: case 0x1dd: case 0x1de:
	case 0x34: case 0xce: case 0x140: case 0x33:
	case 0xc0010000 ... 0xc0010007:
	case 0xc0010010: case 0xc0010015: case 0xc001001f:
	case 0xc0010055: case 0xc0010058: case 0xc0010112:
	case 0xc0010113: case 0xc0010117: case 0xc0011020:
	case 0xc0011022: case 0xc0011023: case 0xc0011029: case 0xc001102a:
		return true;
	}
	return false;
}

bool
msr_read(struct cpu *c, uint32_t msr, uint64_t *v)
{
	int mtrr = mtrr_index(msr);

	if (is_apic_msr(msr))
		return c->apic.rdmsr && c->apic.rdmsr(c->apic.opaque, msr, v);
	if (mtrr >= 0) {
		*v = c->mtrr[mtrr];
		return true;
	}
	switch (msr) {
	case 0x10: *v = cpu_tsc(c); return true;
	case 0x3b: *v = c->tsc_adjust; return true;
	case 0x174: *v = c->sysenter_cs; return true;
	case 0x175: *v = c->sysenter_esp; return true;
	case 0x176: *v = c->sysenter_eip; return true;
	case 0x1a0: *v = c->misc_enable; return true;
	case 0x277: *v = c->pat; return true;
	case 0xfe: *v = 0x508; return true;	/* 8 ranges, fixed, WC */
	case 0x2ff: *v = c->mtrr_def; return true;
	case 0x11: case 0x4b564d00: *v = c->kvmclock[0]; return true;
	case 0x12: case 0x4b564d01: *v = c->kvmclock[1]; return true;
	case 0xc0000080: *v = c->efer; return true;
	case 0xc0000081: *v = c->star; return true;
	case 0xc0000082: *v = c->lstar; return true;
	case 0xc0000083: *v = c->cstar; return true;
	case 0xc0000084: *v = c->sfmask; return true;
	case 0xc0000100: *v = c->seg[SEG_FS].base; return true;
	case 0xc0000101: *v = c->seg[SEG_GS].base; return true;
	case 0xc0000102: *v = c->kernel_gs_base; return true;
	case 0xc0000103: *v = c->tsc_aux; return true;
	}
	*v = 0;
	return is_quiet(msr);
}

static bool
write_efer(struct cpu *c, uint64_t v)
{
	uint64_t known = EFER_SCE | EFER_LME | EFER_LMA;

	if (cpu_model_has(c->model, EXTRA_NX))
		known |= EFER_NXE;
	if (v & ~known)
		return false;
	if ((c->cr0 & CR0_PG) && ((v ^ c->efer) & EFER_LME))
		return false;
	c->efer = (v & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA);
	paging_flush_all(c);
	return true;
}

/* Memory types of PAT and MTRRs: 0, 1, 4, 5, 6; PAT also 7. */
static bool
types_good(uint64_t v, bool pat)
{
	for (unsigned n = 0; n < 8; n++, v >>= 8)
		if ((v & 0xff) > (pat ? 7 : 6) || (v & 0xff) == 2 ||
		    (v & 0xff) == 3)
			return false;
	return true;
}

bool
msr_write(struct cpu *c, uint32_t msr, uint64_t v)
{
	int mtrr = mtrr_index(msr);

	if (is_apic_msr(msr))
		return c->apic.wrmsr && c->apic.wrmsr(c->apic.opaque, msr, v);
	if (mtrr >= 16 && !types_good(v, false))
		return false;
	if (mtrr >= 0) {
		/* types of memory make no difference here */
		c->mtrr[mtrr] = v;
		return true;
	}
	switch (msr) {
	case 0x10:
		c->tsc_adjust += v - cpu_tsc(c);
		c->tsc_offset += v - cpu_tsc(c);
		return true;
	case 0x3b:
		c->tsc_offset += v - c->tsc_adjust;
		c->tsc_adjust = v;
		return true;
	case 0x174: c->sysenter_cs = v & 0xffff; return true;
	case 0x175:
		if (!cpu_canonical(v))
			return false;
		c->sysenter_esp = v;
		return true;
	case 0x176:
		if (!cpu_canonical(v))
			return false;
		c->sysenter_eip = v;
		return true;
	case 0x1a0: c->misc_enable = v; return true;
	case 0x277:
		if (!types_good(v, true))
			return false;
		c->pat = v;
		return true;
	case 0x2ff:
		if (v & ~0xcffull)
			return false;
		c->mtrr_def = v;
		return true;
	case 0x11: case 0x4b564d00:
		if (!cpu_model_has(c->model, EXTRA_KVMCLOCK))
			return false;
		c->kvmclock[0] = v;
		write_wall_clock(c, v);
		return true;
	case 0x12: case 0x4b564d01:
		if (!cpu_model_has(c->model, EXTRA_KVMCLOCK))
			return false;
		c->kvmclock[1] = v;
		write_system_time(c, v);
		return true;
	case 0xc0000080: return write_efer(c, v);
	case 0xc0000081: c->star = v; return true;
	case 0xc0000082:
	case 0xc0000083:
		if (!cpu_canonical(v))
			return false;
		*(msr & 1 ? &c->cstar : &c->lstar) = v;
		return true;
	case 0xc0000084: c->sfmask = (uint32_t)v; return true;
	case 0xc0000100: case 0xc0000101: case 0xc0000102:
		if (!cpu_canonical(v))
			return false;
		if (msr == 0xc0000102)
			c->kernel_gs_base = v;
		else
			c->seg[msr & 1 ? SEG_GS : SEG_FS].base = v;
		return true;
	case 0xc0000103: c->tsc_aux = (uint32_t)v; return true;
	}
	return is_quiet(msr);
}
