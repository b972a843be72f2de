/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_cpu.c - a processor of KVM's
 *
 * Requests by others: the bit is set first, then "immediate_exit", then the
 * thread is sent a signal if it is inside KVM_RUN.  The thread clears
 * immediate_exit first and looks at the bits after that.  So whichever comes
 * first, the bit is seen or KVM_RUN comes back at once.
 *
 * An access that KVM_RUN came back with is complete only when KVM_RUN is
 * entered again; before the registers are looked at or the processor is held,
 * it is entered once more with immediate_exit set, which does only that.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accel/kvm_state.h"

#define CR4_PAE 0x20u
#define MSR_TSC 0x10
#define MSR_TSC_ADJUST 0x3b
#define MSR_TSC_DEADLINE 0x6e0

/* struct cpu of this engine: cpu.h leaves it to each. */
struct kvm_cpu {
	struct kvm *kvm;
	struct mem *mem;
	struct bus *bus;
	unsigned id;
	int fd;
	struct kvm_run *run;
	atomic_uint requests;
	atomic_int tid;		/* of the thread inside KVM_RUN; 0: none */
	bool unfinished;	/* an access waits to be completed */
	char why[128];

	/* As after power-up. */
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs;
	struct kvm_msrs *msrs;
};

static struct kvm_cpu *
own(struct cpu *c)
{
	return (struct kvm_cpu *)c;
}

static int
vcpu_ioctl(struct kvm_cpu *c, unsigned long request, const void *arg)
{
	return kvm_ioctl(c->fd, request, (uintptr_t)arg);
}

/* --- Exits ---------------------------------------------------------------- */

static void
do_port(struct kvm_cpu *c)
{
	struct kvm_run *r = c->run;
	uint8_t *at = (uint8_t *)r + r->io.data_offset;
	uint32_t v;

	for (uint32_t i = 0; i < r->io.count; i++, at += r->io.size) {
		v = 0;
		if (r->io.direction == KVM_EXIT_IO_IN) {
			v = bus_in(c->bus, r->io.port, r->io.size);
			memcpy(at, &v, r->io.size);
		} else {
			memcpy(&v, at, r->io.size);
			bus_out(c->bus, r->io.port, r->io.size, v);
		}
	}
}

/* Of any length up to 8, in pieces that mem.h knows. */
static void
do_mmio(struct kvm_cpu *c)
{
	struct kvm_run *r = c->run;
	uint64_t gpa = r->mmio.phys_addr, v;

	for (unsigned at = 0, n; at < r->mmio.len; at += n) {
		for (n = 8; n > r->mmio.len - at; n /= 2)
			;
		v = 0;
		if (r->mmio.is_write) {
			memcpy(&v, r->mmio.data + at, n);
			mem_io_write(c->mem, gpa + at, n, v);
		} else {
			v = mem_io_read(c->mem, gpa + at, n);
			memcpy(r->mmio.data + at, &v, n);
		}
	}
}

/* Where it stands, for messages. */
static uint64_t
rip(struct kvm_cpu *c)
{
	struct kvm_regs regs;

	return vcpu_ioctl(c, KVM_GET_REGS, &regs) < 0 ? 0 : regs.rip;
}

static enum cpu_exit
failed(struct kvm_cpu *c, const char *what, uint64_t code)
{
	snprintf(c->why, sizeof(c->why), "KVM: %s (%#" PRIx64
	    ") at %#" PRIx64, what, code, rip(c));
	return CPU_EXIT_ERROR;
}

static enum cpu_exit
internal_error(struct kvm_cpu *c)
{
	switch (c->run->internal.suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return failed(c, "an instruction it cannot emulate",
		    c->run->internal.suberror);
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return failed(c, "a fault while it delivered an event",
		    c->run->internal.suberror);
	}
	return failed(c, "internal error", c->run->internal.suberror);
}

/* Whether the run goes on; *why otherwise. */
static bool
go_on(struct kvm_cpu *c, enum cpu_exit *why)
{
	struct kvm_run *r = c->run;

	switch (r->exit_reason) {
	case KVM_EXIT_IO:
		do_port(c);
		c->unfinished = true;
		return true;
	case KVM_EXIT_MMIO:
		do_mmio(c);
		c->unfinished = true;
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_SHUTDOWN:
		snprintf(c->why, sizeof(c->why), "triple fault");
		*why = CPU_EXIT_SHUTDOWN;
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		snprintf(c->why, sizeof(c->why), "KVM: the guest crashed");
		*why = CPU_EXIT_SHUTDOWN;
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		*why = failed(c, "the processor does not start",
		    r->fail_entry.hardware_entry_failure_reason);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		*why = internal_error(c);
		return false;
	}
	*why = failed(c, "an exit nobody knows", r->exit_reason);
	return false;
}

/* --- Running -------------------------------------------------------------- */

static void
finish(struct kvm_cpu *c)
{
	if (!c->unfinished)
		return;
	__atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	kvm_ioctl(c->fd, KVM_RUN, 0);
	c->unfinished = false;
}

static enum cpu_exit
kvm_cpu_run(struct cpu *cpu)
{
	struct kvm_cpu *c = own(cpu);
	enum cpu_exit why = CPU_EXIT_ERROR;
	unsigned req;
	int ret;

	for (;;) {
		__atomic_store_n(&c->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		req = atomic_exchange(&c->requests, 0);
		if (req & CPU_REQ_NMI)
			kvm_ioctl(c->fd, KVM_NMI, 0);
		if (req & CPU_REQ_EXIT) {
			finish(c);
			return CPU_EXIT_REQUEST;
		}
		atomic_store(&c->tid, (int)gettid());
		ret = kvm_ioctl(c->fd, KVM_RUN, 0);
		atomic_store(&c->tid, 0);
		c->unfinished = false;
		if (ret == -EINTR || ret == -EAGAIN)
			continue;
		if (ret < 0)
			return failed(c, strerror(-ret), (uint64_t)-ret);
		if (!go_on(c, &why)) {
			finish(c);
			return why;
		}
	}
}

/* HLT waits in the kernel. */
static void
kvm_cpu_wait(struct cpu *cpu)
{
}

static void
kvm_cpu_request(struct cpu *cpu, unsigned bits)
{
	struct kvm_cpu *c = own(cpu);
	int tid;

	bits &= CPU_REQ_EXIT | CPU_REQ_NMI;	/* the rest is the kernel's */
	if (!bits)
		return;
	atomic_fetch_or(&c->requests, bits);
	__atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	tid = atomic_load(&c->tid);
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, SIGRTMIN);
}

/* Between processors it is the kernel's, too. */
static void
kvm_cpu_sipi(struct cpu *cpu, uint8_t vector)
{
}

/* --- Registers ------------------------------------------------------------ */

static struct cpu_segment
segment_get(const struct kvm_segment *s)
{
	return (struct cpu_segment){ .selector = s->selector, .base = s->base,
	    .limit = s->limit, .attr = (uint16_t)(s->type | s->s << 4 |
	    s->dpl << 5 | s->present << 7 | s->avl << 12 | s->l << 13 |
	    s->db << 14 | s->g << 15) };
}

static struct kvm_segment
segment_put(const struct cpu_segment *s)
{
	return (struct kvm_segment){ .selector = s->selector, .base = s->base,
	    .limit = s->limit, .type = s->attr & 15, .s = s->attr >> 4 & 1,
	    .dpl = s->attr >> 5 & 3, .present = s->attr >> 7 & 1,
	    .avl = s->attr >> 12 & 1, .l = s->attr >> 13 & 1,
	    .db = s->attr >> 14 & 1, .g = s->attr >> 15 & 1,
	    .unusable = !(s->attr & 0x80) };
}

/* In the order of cpu.h: rax rcx rdx rbx rsp rbp rsi rdi r8.. */
static void
general(struct kvm_regs *k, uint64_t *gpr, bool put)
{
	__u64 *at[16] = { &k->rax, &k->rcx, &k->rdx, &k->rbx, &k->rsp,
	    &k->rbp, &k->rsi, &k->rdi, &k->r8, &k->r9, &k->r10, &k->r11,
	    &k->r12, &k->r13, &k->r14, &k->r15 };

	for (unsigned i = 0; i < 16; i++)
		if (put)
			*at[i] = gpr[i];
		else
			gpr[i] = *at[i];
}

static void
kvm_cpu_get(struct cpu *cpu, struct cpu_regs *r)
{
	struct kvm_cpu *c = own(cpu);
	struct kvm_regs k = { 0 };
	struct kvm_sregs s = { 0 };
	struct kvm_debugregs d = { 0 };
	struct kvm_segment *seg[6] = { &s.es, &s.cs, &s.ss, &s.ds, &s.fs,
	    &s.gs };

	memset(r, 0, sizeof(*r));
	if (vcpu_ioctl(c, KVM_GET_REGS, &k) < 0 ||
	    vcpu_ioctl(c, KVM_GET_SREGS, &s) < 0 ||
	    vcpu_ioctl(c, KVM_GET_DEBUGREGS, &d) < 0)
		return;
	general(&k, r->gpr, false);
	r->rip = k.rip;
	r->rflags = k.rflags;
	for (unsigned i = 0; i < 6; i++)
		r->seg[i] = segment_get(seg[i]);
	r->ldtr = segment_get(&s.ldt);
	r->tr = segment_get(&s.tr);
	r->gdt_base = s.gdt.base;
	r->gdt_limit = s.gdt.limit;
	r->idt_base = s.idt.base;
	r->idt_limit = s.idt.limit;
	r->cr0 = s.cr0;
	r->cr2 = s.cr2;
	r->cr3 = s.cr3;
	r->cr4 = s.cr4;
	r->cr8 = s.cr8;
	r->efer = s.efer;
	memcpy(r->dr, d.db, sizeof(d.db));
	r->dr[6] = d.dr6;
	r->dr[7] = d.dr7;
}

static void
kvm_cpu_set(struct cpu *cpu, const struct cpu_regs *r)
{
	struct kvm_cpu *c = own(cpu);
	struct kvm_regs k = { .rip = r->rip, .rflags = r->rflags | 2 };
	struct kvm_sregs s;
	struct kvm_debugregs d = { .dr6 = r->dr[6], .dr7 = r->dr[7] };
	struct kvm_segment *seg[6] = { &s.es, &s.cs, &s.ss, &s.ds, &s.fs,
	    &s.gs };
	uint64_t gpr[16];

	/* The APIC's base and pending interrupts stay as they are. */
	if (vcpu_ioctl(c, KVM_GET_SREGS, &s) < 0)
		return;
	memcpy(gpr, r->gpr, sizeof(gpr));
	general(&k, gpr, true);
	for (unsigned i = 0; i < 6; i++)
		*seg[i] = segment_put(&r->seg[i]);
	s.ldt = segment_put(&r->ldtr);
	s.tr = segment_put(&r->tr);
	s.gdt.base = r->gdt_base;
	s.gdt.limit = r->gdt_limit;
	s.idt.base = r->idt_base;
	s.idt.limit = r->idt_limit;
	s.cr0 = r->cr0;
	s.cr2 = r->cr2;
	s.cr3 = r->cr3;
	s.cr4 = r->cr4;
	s.cr8 = r->cr8;
	s.efer = r->efer;
	memcpy(d.db, r->dr, sizeof(d.db));
	vcpu_ioctl(c, KVM_SET_SREGS, &s);
	vcpu_ioctl(c, KVM_SET_REGS, &k);
	vcpu_ioctl(c, KVM_SET_DEBUGREGS, &d);
}

static const char *
kvm_cpu_why(struct cpu *cpu)
{
	return own(cpu)->why;
}

/* --- Reset, making -------------------------------------------------------- */

/* All that KVM knows but the clocks, which go on; what it will not give or
 * take is skipped. */
static void
msrs_get(struct kvm_cpu *c)
{
	const struct kvm_msr_list *l = c->kvm->msrs;
	unsigned n = 0;
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } one;

	for (unsigned i = 0; i < l->nmsrs; i++) {
		if (l->indices[i] == MSR_TSC ||
		    l->indices[i] == MSR_TSC_ADJUST ||
		    l->indices[i] == MSR_TSC_DEADLINE)
			continue;
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		one.e.index = l->indices[i];
		if (vcpu_ioctl(c, KVM_GET_MSRS, &one) == 1)
			c->msrs->entries[n++] = one.e;
	}
	c->msrs->nmsrs = n;
}

static void
msrs_put(struct kvm_cpu *c)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } one;

	for (unsigned i = 0; i < c->msrs->nmsrs; i++) {
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		one.e = c->msrs->entries[i];
		vcpu_ioctl(c, KVM_SET_MSRS, &one);
	}
}

static int
remember(struct kvm_cpu *c)
{
	size_t n = c->kvm->msrs->nmsrs;
	int ret;

	c->msrs = calloc(1, sizeof(*c->msrs) + n * sizeof(c->msrs->entries[0]));
	if (!c->msrs)
		return -ENOMEM;
	if ((ret = vcpu_ioctl(c, KVM_GET_REGS, &c->regs)) < 0 ||
	    (ret = vcpu_ioctl(c, KVM_GET_SREGS, &c->sregs)) < 0 ||
	    (ret = vcpu_ioctl(c, KVM_GET_FPU, &c->fpu)) < 0 ||
	    (ret = vcpu_ioctl(c, KVM_GET_LAPIC, &c->lapic)) < 0 ||
	    (ret = vcpu_ioctl(c, KVM_GET_VCPU_EVENTS, &c->events)) < 0 ||
	    (ret = vcpu_ioctl(c, KVM_GET_DEBUGREGS, &c->debug)) < 0)
		return ret;
	if (vcpu_ioctl(c, KVM_GET_XCRS, &c->xcrs) < 0)
		c->xcrs.nr_xcrs = 0;
	msrs_get(c);
	return 0;
}

static void
kvm_cpu_reset(struct cpu *cpu)
{
	struct kvm_cpu *c = own(cpu);
	struct kvm_mp_state state = { .mp_state = c->id ?
	    KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs other = c->sregs;

	finish(c);
	atomic_store(&c->requests, 0);
	/* Linux 6.1 on AMD: after a triple fault without paging a processor
	 * hangs unless the mode of paging is seen to change. */
	other.cr4 ^= CR4_PAE;
	vcpu_ioctl(c, KVM_SET_SREGS, &other);
	vcpu_ioctl(c, KVM_SET_REGS, &c->regs);
	vcpu_ioctl(c, KVM_SET_SREGS, &c->sregs);
	vcpu_ioctl(c, KVM_SET_FPU, &c->fpu);
	if (c->xcrs.nr_xcrs)
		vcpu_ioctl(c, KVM_SET_XCRS, &c->xcrs);
	msrs_put(c);
	vcpu_ioctl(c, KVM_SET_LAPIC, &c->lapic);
	vcpu_ioctl(c, KVM_SET_DEBUGREGS, &c->debug);
	vcpu_ioctl(c, KVM_SET_VCPU_EVENTS, &c->events);
	vcpu_ioctl(c, KVM_SET_MP_STATE, &state);
	c->why[0] = 0;
}

static void
kvm_cpu_free(struct cpu *cpu)
{
	struct kvm_cpu *c = own(cpu);

	if (!c)
		return;
	if (c->run)
		munmap(c->run, c->kvm->run_size);
	if (c->fd >= 0)
		close(c->fd);
	free(c->msrs);
	free(c);
}

static struct cpu *
kvm_cpu_new(struct mem *mem, struct bus *bus, const struct cpu_model *model,
    unsigned id, const struct cpu_apic *apic, struct error *err)
{
	struct kvm_cpu *c = calloc(1, sizeof(*c));
	void *run;
	int ret;

	if (!c) {
		error_errno(err, ENOMEM, "processor %u", id);
		return NULL;
	}
	c->kvm = apic->opaque;
	c->mem = mem;
	c->bus = bus;
	c->id = id;
	c->fd = kvm_ioctl(c->kvm->vm, KVM_CREATE_VCPU, id);
	if (c->fd < 0) {
		error_errno(err, -c->fd, "KVM: processor %u", id);
		goto fail;
	}
	run = mmap(NULL, c->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    c->fd, 0);
	if (run == MAP_FAILED) {
		error_errno(err, errno, "KVM: processor %u", id);
		goto fail;
	}
	c->run = run;
	if (kvm_set_cpuid(c->kvm, c->fd, model, id, err) < 0)
		goto fail;
	ret = remember(c);
	if (ret < 0) {
		error_errno(err, -ret, "KVM: processor %u", id);
		goto fail;
	}
	kvm_cpu_reset((struct cpu *)c);
	return (struct cpu *)c;
fail:
	kvm_cpu_free((struct cpu *)c);
	return NULL;
}

struct cpu_apic
kvm_apic(struct kvm *k)
{
	return (struct cpu_apic){ .opaque = k };
}

const struct cpu_engine cpu_kvm = {
	.name = "kvm",
	.new = kvm_cpu_new,
	.free = kvm_cpu_free,
	.reset = kvm_cpu_reset,
	.run = kvm_cpu_run,
	.wait = kvm_cpu_wait,
	.request = kvm_cpu_request,
	.sipi = kvm_cpu_sipi,
	.get = kvm_cpu_get,
	.set = kvm_cpu_set,
	.why = kvm_cpu_why,
};
