/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq.h - an interrupt line is a value
 *
 * A device is handed its line when it is made and sets it high or low; it
 * never knows what the line ends in: an 8259, an IO-APIC, both, or KVM's.
 * Lines are level triggered wires; a chip that wants edges looks for them.
 * Called with the board lock held (board.h).
 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

struct irq {
	void (*set)(void *sink, unsigned n, bool level); /* NULL: not wired */
	void *sink;		/* borrowed */
	unsigned n;		/* the sink's own number for this line */
};

static inline void
irq_set(const struct irq *line, bool level)
{
	if (line->set)
		line->set(line->sink, line->n, level);
}

/* Where message signalled interrupts go: a write of data to an address of the
 * local APICs' window (Intel SDM 3A, 11.11). */
struct msi_sink {
	void (*send)(void *sink, uint64_t addr, uint32_t data);
	void *sink;		/* borrowed */
};

#endif
