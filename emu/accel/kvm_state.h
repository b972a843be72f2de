/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm_state.h - what the files of the engine kvm share */
#ifndef ACCEL_KVM_STATE_H
#define ACCEL_KVM_STATE_H

#include <linux/kvm.h>

#include "accel/kvm.h"

#define KVM_SLOTS 64

struct kvm_slot {
	uint64_t gpa, len;	/* len 0: free */
	uint8_t *host;
	bool rom;
};

struct kvm {
	int dev, vm;		/* /dev/kvm, the machine */
	struct mem *mem;
	struct kvm_slot slot[KVM_SLOTS];
	struct kvm_slot want[KVM_SLOTS];	/* while they are compared */
	unsigned n_want;
	bool too_many, slots_failed;
	uint32_t level;		/* of the lines, as told */
	struct kvm_irqchip chip[3];	/* at power-up */
	size_t run_size;	/* of a processor's struct kvm_run */
	struct kvm_msr_list *msrs;	/* those that KVM knows */
};

int kvm_ioctl(int fd, unsigned long request, uintptr_t arg);

/* CPUID of processor id: the model's, as far as the host has it. */
int kvm_set_cpuid(struct kvm *, int fd, const struct cpu_model *,
    unsigned id, struct error *err);

#endif
