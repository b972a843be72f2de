/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_cpuid.c - what CPUID says under KVM
 *
 * Features are those of the model that the host's KVM supports.  Vendor,
 * family and name are the host's: a guest that took the processor for one of
 * another make would look for registers that are not there.  Leaves that
 * describe what the machine does not have (performance counters, caches of
 * the host, its topology) are left out or the model's.
 */
#include <stdlib.h>
#include <string.h>

#include "accel/kvm_state.h"
#include "cpu/model.h"

#define ENTRIES 256
#define X2APIC (1u << 21)
#define DEADLINE (1u << 24)
#define HYPERVISOR (1u << 31)
#define OSXSAVE (1u << 27)

struct list {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[ENTRIES];
};

struct asked {
	const struct cpu_model *model;
	unsigned id, n;
	bool deadline;		/* KVM has the timer, says a capability */
};

static void
take(struct kvm_cpuid_entry2 *e, const struct cpuid *r)
{
	e->eax = r->eax;
	e->ebx = r->ebx;
	e->ecx = r->ecx;
	e->edx = r->edx;
}

static void
mask(struct kvm_cpuid_entry2 *e, const struct cpuid *r)
{
	e->ebx &= r->ebx;
	e->ecx &= r->ecx;
	e->edx &= r->edx;
}

/* False: the leaf is not shown. */
static bool
filter(struct kvm_cpuid_entry2 *e, const struct asked *a)
{
	struct cpuid r = cpu_model_cpuid(a->model, a->id, e->function,
	    e->index);
	uint32_t own = 0;

	switch (e->function) {
	case 0x0:
		if (e->eax > 0xd)
			e->eax = 0xd;
		return true;
	case 0x1:
		/* What KVM adds itself, whatever the host has. */
		own = r.ecx & (X2APIC | HYPERVISOR);
		if (a->deadline)
			own |= r.ecx & DEADLINE;
		e->ecx = (e->ecx & r.ecx) | own | (e->ecx & OSXSAVE);
		e->edx &= r.edx;
		e->ebx = r.ebx;
		return true;
	case 0x2:
		return true;
	case 0x4:
	case 0xb:
		take(e, &r);
		return true;
	case 0x6:
		memset(&e->eax, 0, 4 * sizeof(e->eax));
		e->eax = 4;		/* the APIC timer always runs */
		return true;
	case 0x7:
		if (e->index)
			return false;
		e->eax = 0;
		mask(e, &r);
		return true;
	case 0xd:
		if (e->index == 0) {
			e->eax &= r.eax;
			e->edx = 0;
			e->ecx = r.ecx;
		} else if (e->index == 1) {
			e->eax &= r.eax;
			e->ecx = e->edx = 0;
		}
		return e->index < 2 || (e->index == 2 && r.eax);
	case 0x40000000 ... 0x40000001:
		/* KVM's own offers: clock, steal time and so on. */
		return r.eax || r.ebx;
	case 0x80000000:
		if (e->eax > 0x80000008)
			e->eax = 0x80000008;
		return true;
	case 0x80000001:
		e->ecx &= r.ecx;
		e->edx &= r.edx;
		return true;
	case 0x80000002 ... 0x80000006:
		return true;
	case 0x80000007:
		e->eax = e->ebx = e->ecx = 0;
		e->edx &= r.edx;
		return true;
	case 0x80000008:
		/* Physical address bits are the machine's. */
		e->eax = (e->eax & ~0xffu) | MEM_BITS;
		e->ebx = 0;
		e->ecx = r.ecx;
		e->edx = 0;
		return true;
	}
	return false;
}

/* Leaves of the model that the host's list may not have. */
static void
add(struct list *l, const struct asked *a, uint32_t leaf, uint32_t subleaf)
{
	struct kvm_cpuid_entry2 *e;
	struct cpuid r = cpu_model_cpuid(a->model, a->id, leaf, subleaf);

	for (unsigned i = 0; i < l->head.nent; i++)
		if (l->entry[i].function == leaf &&
		    l->entry[i].index == subleaf)
			return;
	if (l->head.nent == ENTRIES)
		return;
	e = &l->entry[l->head.nent++];
	memset(e, 0, sizeof(*e));
	e->function = leaf;
	e->index = subleaf;
	if (leaf == 4 || leaf == 0xb)
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	take(e, &r);
}

int
kvm_set_cpuid(struct kvm *k, int fd, const struct cpu_model *model,
    unsigned id, struct error *err)
{
	struct asked a = { .model = model, .id = id };
	struct list *l = calloc(1, sizeof(*l));
	unsigned n = 0;
	int ret;

	if (!l)
		return error_errno(err, ENOMEM, "KVM: CPUID");
	a.deadline = kvm_ioctl(k->dev, KVM_CHECK_EXTENSION,
	    KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	l->head.nent = ENTRIES;
	ret = kvm_ioctl(k->dev, KVM_GET_SUPPORTED_CPUID, (uintptr_t)l);
	if (ret >= 0) {
		for (unsigned i = 0; i < l->head.nent; i++)
			if (filter(&l->entry[i], &a))
				l->entry[n++] = l->entry[i];
		l->head.nent = n;
		for (unsigned i = 0; i < 4; i++)
			add(l, &a, 4, i);
		for (unsigned i = 0; i < 2; i++)
			add(l, &a, 0xb, i);
		ret = kvm_ioctl(fd, KVM_SET_CPUID2, (uintptr_t)l);
	}
	free(l);
	return ret < 0 ? error_errno(err, -ret, "KVM: CPUID") : 0;
}
