/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.h - the seam between processors and the board
 *
 * The board sees a processor as a few functions and never which engine runs
 * it: interp (cpu/interp.c), kvm (accel/kvm.c), later the translator.  A
 * processor sees the board as memory, ports and its local APIC, the latter by
 * the callbacks of struct cpu_apic.  accel/vcpu.c owns the threads.
 */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/bus.h"
#include "core/mem.h"

#define CPU_MAX 8

struct cpu;
struct cpu_model;		/* model.h: what CPUID says */

/* What others ask of a processor, as bits; any thread. */
#define CPU_REQ_INTR	0x001u	/* the APIC (or the 8259) has an interrupt */
#define CPU_REQ_NMI	0x002u
#define CPU_REQ_INIT	0x004u
#define CPU_REQ_SIPI	0x008u	/* vector in sipi_vector */
#define CPU_REQ_FLUSH	0x010u	/* the memory layout changed */
#define CPU_REQ_CODE	0x020u	/* decoded code was written to */
#define CPU_REQ_EXIT	0x040u	/* leave cpu_run() */

/* The local APIC as its processor uses it; any may be called without the
 * board lock, and takes it if it must.  reg is the register's offset >> 4. */
struct cpu_apic {
	void *opaque;
	/* The vector to deliver now, acknowledged; -1 when there is none after
	 * all.  Called with IF set and no interrupt shadow. */
	int (*acknowledge)(void *opaque);
	uint32_t (*read)(void *opaque, unsigned reg);
	void (*write)(void *opaque, unsigned reg, uint32_t value);
	/* MSRs 1Bh, 6E0h and 800h..8FFh; false: #GP(0). */
	bool (*rdmsr)(void *opaque, uint32_t msr, uint64_t *value);
	bool (*wrmsr)(void *opaque, uint32_t msr, uint64_t value);
	uint64_t (*base)(void *opaque);	/* of the register page; 0: not in xAPIC mode */
	uint8_t (*tpr)(void *opaque);	/* CR8 */
	void (*set_tpr)(void *opaque, uint8_t value);
	/* FERR#: an x87 exception waits and CR0.NE is clear (a PC's IRQ 13).
	 * NULL: it goes nowhere. */
	void (*ferr)(void *opaque);
};

/* Why cpu_run() came back. */
enum cpu_exit {
	CPU_EXIT_REQUEST,	/* CPU_REQ_EXIT, or nothing in particular */
	CPU_EXIT_HALT,		/* HLT with nothing to do: cpu_wait() */
	CPU_EXIT_SHUTDOWN,	/* triple fault */
	CPU_EXIT_ERROR,		/* the engine cannot go on: cpu_why() */
};

/* Registers as every engine can give and take them (info registers, loaders
 * that start a kernel, --cpu-step). */
struct cpu_segment {
	uint16_t selector;
	uint64_t base;
	uint32_t limit;		/* in bytes, scaled */
	uint16_t attr;		/* descriptor bits 40..55: type, S, DPL, P, AVL, L, D, G */
};

struct cpu_regs {
	uint64_t gpr[16];	/* rax rcx rdx rbx rsp rbp rsi rdi r8.. */
	uint64_t rip, rflags;
	struct cpu_segment seg[6];	/* es cs ss ds fs gs */
	struct cpu_segment ldtr, tr;
	uint64_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer;
	uint64_t dr[8];
};

/* One engine's processors. */
struct cpu_engine {
	const char *name;
	struct cpu *(*new)(struct mem *, struct bus *,
	    const struct cpu_model *, unsigned id, const struct cpu_apic *,
	    struct error *err);
	void (*free)(struct cpu *);
	void (*reset)(struct cpu *);	/* as after RESET#; not while it runs */
	enum cpu_exit (*run)(struct cpu *);
	/* Sleeps until a request that ends a HLT (or EXIT) is there. */
	void (*wait)(struct cpu *);
	void (*request)(struct cpu *, unsigned bits);	/* any thread */
	void (*sipi)(struct cpu *, uint8_t vector);	/* any thread */
	void (*get)(struct cpu *, struct cpu_regs *);	/* not while it runs */
	void (*set)(struct cpu *, const struct cpu_regs *);
	const char *(*why)(struct cpu *);
};
extern const struct cpu_engine cpu_interp;

#endif
