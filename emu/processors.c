/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * processors.c - processors and interrupt controllers, ours or KVM's
 *
 * ISA interrupts go to the 8259s and to the I/O APIC's pins of the same
 * numbers, the timer's to pin 2 (as the ACPI tables say).  The 8259s' output is
 * LINT0 of the local APICs.  Under KVM all of these chips are the kernel's.
 */
#include "processors.h"

#include <stdio.h>
#include <stdlib.h>

#include "accel/kvm.h"
#include "cpu/model.h"
#include "cpu/system.h"
#include "dev/i8259.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"

enum { ISA_IRQS = 16, IRQ_TIMER = 0, IRQ_CASCADE = 2, PIN_TIMER = 2,
	/* KVM answers at once, or never. */
	PROBE_MS = 1000 };

struct processors {
	const struct machine_config *config;	/* borrowed */
	struct board *board;
	struct mem *mem;
	struct bus *bus;

	struct kvm *kvm;	/* NULL: the chips are ours */
	struct lapics *lapics;
	struct ioapic *ioapic;
	struct i8259 *pic;
	struct irq pic_line[ISA_IRQS], ioapic_line[ISA_IRQS];

	struct cpu_model *model;
	const struct cpu_engine *engine;
	struct cpu_apic apic[CPU_MAX];
	struct vcpus *vcpus;
};

/* --- What local APICs do to processors ----------------------------------- */

static void
ask(struct processors *p, unsigned id, unsigned what)
{
	if (p->vcpus)
		p->engine->request(vcpus_cpu(p->vcpus, id), what);
}

static void
cpu_interrupt(void *opaque, unsigned id)
{
	ask(opaque, id, CPU_REQ_INTR);
}

static void
cpu_nmi(void *opaque, unsigned id)
{
	ask(opaque, id, CPU_REQ_NMI);
}

static void
cpu_init(void *opaque, unsigned id)
{
	ask(opaque, id, CPU_REQ_INIT);
}

static void
cpu_sipi(void *opaque, unsigned id, uint8_t vector)
{
	struct processors *p = opaque;

	if (p->vcpus)
		p->engine->sipi(vcpus_cpu(p->vcpus, id), vector);
}

static uint64_t
tsc_of(void *opaque, unsigned id)
{
	struct processors *p = opaque;

	return p->vcpus ? cpu_tsc(vcpus_cpu(p->vcpus, id)) : 0;
}

static uint8_t
extint(void *opaque)
{
	struct processors *p = opaque;

	return i8259_acknowledge(p->pic);
}

static void
level_ended(void *opaque, uint8_t vector)
{
	struct processors *p = opaque;

	ioapic_eoi(p->ioapic, vector);
}

/* --- Our own chips ------------------------------------------------------- */

static int
make_chips(struct processors *p, struct error *err)
{
	const struct lapic_wires wires = {
		.opaque = p,
		.interrupt = cpu_interrupt,
		.nmi = cpu_nmi,
		.init = cpu_init,
		.sipi = cpu_sipi,
		.tsc = tsc_of,
		.tsc_hz = cpu_tsc_hz(),
		.extint = extint,
		.eoi = level_ended,
	};

	p->engine = &cpu_interp;
	p->lapics = lapics_new(p->board, p->config->cpus, &wires, err);
	if (!p->lapics)
		return -err->code;
	p->pic = i8259_new(p->bus, lapics_intr(p->lapics), err);
	if (!p->pic)
		return -err->code;
	p->ioapic = ioapic_new(p->mem, lapics_msi(p->lapics), err);
	if (!p->ioapic)
		return -err->code;
	for (unsigned i = 0; i < ISA_IRQS; i++) {
		if (i == IRQ_CASCADE)
			continue;
		p->pic_line[i] = i8259_line(p->pic, i);
		p->ioapic_line[i] = ioapic_line(p->ioapic,
		    i == IRQ_TIMER ? PIN_TIMER : i);
	}
	for (unsigned i = 0; i < p->config->cpus; i++)
		p->apic[i] = (struct cpu_apic){
			.opaque = lapics_cpu(p->lapics, i),
			.acknowledge = lapic_acknowledge,
			.read = lapic_read,
			.write = lapic_write,
			.rdmsr = lapic_rdmsr,
			.wrmsr = lapic_wrmsr,
			.base = lapic_base,
			.tpr = lapic_tpr,
			.set_tpr = lapic_set_tpr,
		};
	return 0;
}

static void
isa_line(void *sink, unsigned n, bool level)
{
	struct processors *p = sink;

	irq_set(&p->pic_line[n], level);
	irq_set(&p->ioapic_line[n], level);
}

struct irq
processors_line(struct processors *p, unsigned n)
{
	if (p->kvm)
		return kvm_line(p->kvm, n);
	if (n < ISA_IRQS)
		return (struct irq){ .set = isa_line, .sink = p, .n = n };
	return ioapic_line(p->ioapic, n);
}

struct msi_sink
processors_msi(struct processors *p)
{
	return p->kvm ? kvm_msi(p->kvm) : lapics_msi(p->lapics);
}

/* --- KVM's --------------------------------------------------------------- */

static int
make_kvm(struct processors *p, struct error *err)
{
	struct cpu_apic apic;

	p->kvm = kvm_new(p->mem, err);
	if (!p->kvm)
		return -err->code;
	p->engine = &cpu_kvm;
	apic = kvm_apic(p->kvm);
	for (unsigned i = 0; i < p->config->cpus; i++)
		p->apic[i] = apic;
	return 0;
}

/* Whether KVM is to be used; an error when it alone was asked for. */
static int
choose(const struct machine_config *c, bool *use_kvm, struct error *err)
{
	enum kvm_state state;
	char why[160];

	*use_kvm = c->accel == ACCEL_KVM;
	if (!*use_kvm || c->kvm_unprobed)
		return 0;
	state = kvm_probe(PROBE_MS, why);
	if (state == KVM_WORKS)
		return 0;
	if (!c->accel_fallback)
		return error_set(err, ENOTSUP, "%s", why);
	fprintf(stderr, "cowbird-emu: %s: using interp\n", why);
	*use_kvm = false;
	return 0;
}

/* --- All together -------------------------------------------------------- */

struct processors *
processors_new(const struct machine_config *config, struct board *board,
    struct mem *mem, struct bus *bus, struct error *err)
{
	struct processors *p = calloc(1, sizeof(*p));
	bool kvm;

	if (!p) {
		error_errno(err, ENOMEM, "processors");
		return NULL;
	}
	p->config = config;
	p->board = board;
	p->mem = mem;
	p->bus = bus;
	p->model = cpu_model_new(config->model ? config->model : "max",
	    config->cpus, err);
	if (!p->model || choose(config, &kvm, err) < 0 ||
	    (kvm ? make_kvm(p, err) : make_chips(p, err)) < 0) {
		processors_free(p);
		return NULL;
	}
	return p;
}

int
processors_make(struct processors *p, const struct vcpu_events *events,
    struct error *err)
{
	p->vcpus = vcpus_new(p->board, p->engine, p->mem, p->bus, p->model,
	    p->config->cpus, p->apic, events, err);
	return p->vcpus ? 0 : -err->code;
}

void
processors_free(struct processors *p)
{
	if (!p)
		return;
	/* No thread is in a chip that goes; but an engine is told that the
	 * I/O APIC's page is gone, so it goes after. */
	vcpus_end(p->vcpus);
	ioapic_free(p->ioapic);
	i8259_free(p->pic);
	vcpus_free(p->vcpus);
	lapics_free(p->lapics);
	kvm_free(p->kvm);
	cpu_model_free(p->model);
	free(p);
}

void
processors_hold(struct processors *p)
{
	if (p->vcpus)
		vcpus_hold(p->vcpus);
}

void
processors_go(struct processors *p)
{
	vcpus_go(p->vcpus);
}

void
processors_reset(struct processors *p)
{
	if (p->kvm) {
		kvm_reset(p->kvm);
	} else {
		i8259_reset(p->pic);
		ioapic_reset(p->ioapic);
		lapics_reset(p->lapics);
	}
	vcpus_reset(p->vcpus);
}

struct vcpus *
processors_vcpus(struct processors *p)
{
	return p->vcpus;
}
