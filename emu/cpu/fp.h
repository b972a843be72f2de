/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fp.h - x87, MMX, SSE and AVX, as the rest of the processor sees them
 *
 * Values are computed by the host's own instructions.  So while a processor
 * runs, its thread's MXCSR and x87 control word are the guest's with all
 * exceptions masked: fp_enter() puts them there, fp_leave() takes them out and
 * collects the flags that rose in between.  cpu.mxcsr and cpu.fcw always hold
 * control bits as the guest set them; the flags of cpu.mxcsr and cpu.fsw are
 * complete only after fp_leave() (fp_mxcsr(), x87_sync()).  Code that runs in between and computes in
 * floating point (none should) does so in the guest's rounding mode.
 *
 * Whether vector instructions may run depends on control registers that
 * change seldom, so the answer is kept: cpu.fp_stop has a bit for each class
 * of instructions that must look closer, and a handler tests one byte.
 */
#ifndef CPU_FP_H
#define CPU_FP_H

#if !defined(__x86_64__)
#error "cowbird-emu computes x87 and SSE by the host's own: x86-64 hosts only"
#endif

#include "cpu/state.h"

/* cpu.fp_stop: the class is refused (#UD, #NM), or is to look closer */
#define FP_STOP_X87	0x01	/* CR0.EM or CR0.TS */
#define FP_STOP_WAIT	0x02	/* CR0.MP and CR0.TS: FWAIT */
#define FP_STOP_ES	0x04	/* an x87 exception is pending */
#define FP_STOP_SSE	0x08	/* CR0.EM, CR0.TS or no CR4.OSFXSR */
#define FP_STOP_AVX	0x10	/* CR0.TS, no CR4.OSXSAVE, XCR0, mode */
#define FP_OPEN_SSE	0x20	/* MXCSR has an exception unmasked */
#define FP_OPEN_X87	0x40	/* the control word has one */

/* What is in force after RESET# (INIT leaves these registers alone). */
void fp_reset(struct cpu *);

/* Round cpu_run(), in the thread that runs it; unwinding between is fine. */
void fp_enter(struct cpu *);
void fp_leave(struct cpu *);

/* After CR0, CR4, XCR0 or the mode changed: cpu_mode_changed() calls it. */
void fp_mode_changed(struct cpu *);

/* MXCSR as the guest would read it; cpu_run() is under way. */
uint32_t fp_mxcsr(const struct cpu *);

/*
 * A quicker handler than the instruction table's for this form, or NULL.
 * generic is the table's.
 */
cpu_exec *fp_bind(const struct insn *, cpu_exec *generic);

/* XSAVE: the components there are (XCR0 may have no other bits), and the size
 * of the area for these, in either format (CPUID leaf 0Dh). */
#define XCR0_X87 0x1u
#define XCR0_SSE 0x2u
#define XCR0_AVX 0x4u
#define XSAVE_AVX_OFFSET 576u
#define XSAVE_AVX_SIZE 256u
static inline unsigned
xsave_size(uint64_t xcr0)
{
	return xcr0 & XCR0_AVX ? XSAVE_AVX_OFFSET + XSAVE_AVX_SIZE :
	    XSAVE_AVX_OFFSET;
}
uint64_t xsave_in_use(const struct cpu *);	/* XINUSE */

/* For tests: as if the host had only SSE2. */
void fp_host_baseline(bool on);

#endif
