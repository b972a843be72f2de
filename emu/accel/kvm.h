/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.h - the host's virtual machines
 *
 * A struct kvm is one virtual machine of Linux's: memory, interrupt chips and
 * processors are the kernel's, everything else is the board's.  The kernel has
 * both 8259s, the I/O APIC and the local APICs, so the board makes none of
 * these: it takes lines and the sink of messages from here, and devices do
 * not know.  Timers stay the board's.
 *
 * KVM's interface: Documentation/virt/kvm/api.rst of Linux.
 */
#ifndef ACCEL_KVM_H
#define ACCEL_KVM_H

#include "core/irq.h"
#include "core/notify.h"
#include "cpu/cpu.h"

struct kvm;

/* Whether KVM is any good here.  Tried in a child for timeout_ms at most; why
 * is one line, in words for the user, whenever it is not KVM_WORKS. */
enum kvm_state { KVM_NONE, KVM_REAL_MODE, KVM_WORKS };
enum kvm_state kvm_probe(unsigned timeout_ms, char why[160]);

/* mem is borrowed.  Its layout is followed from here on. */
struct kvm *kvm_new(struct mem *, struct error *err);
/* After the processors.  The mem must not change any more.  NULL is allowed. */
void kvm_free(struct kvm *);
/* The interrupt chips as after power-up; while no processor runs. */
void kvm_reset(struct kvm *);

/* What processors of this engine are made with (struct cpu_engine.new). */
struct cpu_apic kvm_apic(struct kvm *);
extern const struct cpu_engine cpu_kvm;

/* Line n, 0..23, of the I/O APIC; 0..15 are the 8259s', too, but 2.  Line 0,
 * the timer's, is pin 2 of the I/O APIC. */
struct irq kvm_line(struct kvm *, unsigned n);
struct msi_sink kvm_msi(struct kvm *);
struct notify_sink kvm_notify(struct kvm *);

#endif
