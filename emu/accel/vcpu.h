/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu.h - the processors' threads
 *
 * Each processor runs in a thread of its own; here they are started, held,
 * reset and ended together.  The engine (cpu.h) knows nothing of threads.
 *
 * All calls with the board lock held, from the loop's thread.  Those that wait
 * for the processors let go of the lock meanwhile: a processor on its way to a
 * device has to get there first.
 */
#ifndef ACCEL_VCPU_H
#define ACCEL_VCPU_H

#include "core/board.h"
#include "cpu/cpu.h"

struct vcpus;

/* What the board is told, in the loop's thread with the lock held. */
struct vcpu_events {
	/* A triple fault: the board is to reset or to stop. */
	void (*shutdown)(void *opaque, unsigned id, const char *why);
	/* The engine cannot go on; the processor stands still. */
	void (*failed)(void *opaque, unsigned id, const char *why);
	void *opaque;
};

/* n processors, held; apic[id] is processor id's. */
struct vcpus *vcpus_new(struct board *, const struct cpu_engine *,
    struct mem *, struct bus *, const struct cpu_model *, unsigned n,
    const struct cpu_apic *apic, const struct vcpu_events *,
    struct error *err);
/* Ends the threads, for good: chips they use can go.  Engines stay, which
 * follow the memory's layout.  NULL is allowed. */
void vcpus_end(struct vcpus *);
void vcpus_free(struct vcpus *);	/* ends them first; NULL is allowed */

void vcpus_hold(struct vcpus *);	/* returns when none runs */
void vcpus_go(struct vcpus *);
bool vcpus_held(const struct vcpus *);
void vcpus_reset(struct vcpus *);	/* while held */

/* For get, set (while held), request and sipi of the engine. */
struct cpu *vcpus_cpu(struct vcpus *, unsigned id);
const struct cpu_engine *vcpus_engine(const struct vcpus *);
unsigned vcpus_n(const struct vcpus *);

#endif
