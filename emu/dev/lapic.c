/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.c - the local APICs
 *
 * Intel SDM 3A chapter 11, cited by section.  Interrupts come to an APIC from
 * any thread: other processors', the loop's.  What a delivery needs is under
 * the APIC's own lock, held for a few instructions; what decides whether a
 * message is meant for it is read without a lock.  Timers belong to the board,
 * so writing their registers takes the board lock first.
 *
 * The processor is told "there may be something" (wires.interrupt) whenever
 * something deliverable appears; it comes back by lapic_acknowledge(), which
 * decides.  So a call too many is harmless and one too few is not: every
 * change that can make something deliverable ends in poke().
 *
 * Not there: APIC ids other than the processor's number, suppression of EOI
 * broadcasts, SMIs (dropped: the machine has no SMM).
 */
#include "dev/lapic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

/* Registers by offset >> 4 (11.4.1). */
enum {
	ID = 0x02, VERSION = 0x03, TPR = 0x08, APR = 0x09, PPR = 0x0a,
	EOI = 0x0b, LDR = 0x0d, DFR = 0x0e, SVR = 0x0f, ISR = 0x10, TMR = 0x18,
	IRR = 0x20, ESR = 0x28, ICR = 0x30, ICR_HIGH = 0x31, LVT_TIMER = 0x32,
	LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR,
	TIMER_INITIAL = 0x38, TIMER_CURRENT = 0x39, TIMER_DIVIDE = 0x3e,
	SELF_IPI = 0x3f,
};

#define VERSION_VALUE 0x00050014u	/* integrated; 6 LVT entries */
#define LVT_N 6
#define LVT_MASKED 0x10000u
#define LVT_LEVEL 0x8000u
#define LVT_REMOTE_IRR 0x4000u
#define SVR_ENABLED 0x100u

/* Delivery modes (11.5.1, 11.6.1). */
enum { FIXED, LOWEST, SMI, NMI = 4, INIT, STARTUP, EXTINT };

/* The timer's modes (11.5.4). */
enum { ONE_SHOT, PERIODIC, DEADLINE };
#define PERIOD_MIN_NS 20000u	/* faster, the loop would do nothing else */

#define ESR_SEND_VECTOR 0x20u
#define ESR_RECEIVE_VECTOR 0x40u
#define ESR_REGISTER 0x80u

#define BASE_BSP 0x100u
#define BASE_X2APIC 0x400u
#define BASE_ENABLED 0x800u
#define BASE_ADDRESS 0xfffffff000ull	/* MEM_BITS of address */
#define MSR_BASE 0x1b
#define MSR_DEADLINE 0x6e0

struct lapic {
	struct lapics *all;
	unsigned id;

	/* Read by others without a lock. */
	atomic_uint_least64_t base;
	atomic_uint svr, ldr, dfr;
	atomic_uint ppr_hint;	/* for lowest priority */

	pthread_mutex_t lock;	/* the rest but the timer; innermost */
	uint32_t irr[8], isr[8], tmr[8];
	uint8_t tpr;
	uint32_t esr, esr_pending;
	uint32_t icr, icr_high;
	uint32_t lvt[LVT_N];	/* [0]: written with the board lock, too */
	bool lint0, lint1;	/* inputs as they are */
	bool extint;		/* an ExtINT message came */

	/* The timer: board lock. */
	struct timer timer;
	uint32_t initial, divide;
	uint64_t start_ns, deadline;
};

struct lapics {
	struct board *board;
	struct lapic_wires wires;
	unsigned n;
	atomic_uint turn;	/* for lowest priority among equals */
	struct lapic cpu[];
};

struct message {
	uint32_t dest;
	bool logical, wide;	/* wide: x2APIC's 32-bit destinations */
	unsigned mode;
	uint8_t vector;
	bool level;		/* triggered by level */
};

/* --- Sets of vectors ------------------------------------------------------ */

static int
highest(const uint32_t set[8])
{
	for (int i = 7; i >= 0; i--)
		if (set[i])
			return i * 32 + 31 - __builtin_clz(set[i]);
	return -1;
}

static void
put(uint32_t set[8], unsigned vector, bool on)
{
	uint32_t bit = 1u << (vector & 31);

	if (on)
		set[vector / 32] |= bit;
	else
		set[vector / 32] &= ~bit;
}

static bool
has(const uint32_t set[8], unsigned vector)
{
	return set[vector / 32] >> (vector & 31) & 1;
}

/* --- What is deliverable; lock held --------------------------------------- */

static bool
enabled(struct lapic *l)
{
	return (l->base & BASE_ENABLED) && (l->svr & SVR_ENABLED);
}

static bool
x2apic(struct lapic *l)
{
	return l->base & BASE_X2APIC;
}

/* 11.8.3.1 */
static uint8_t
ppr(struct lapic *l)
{
	int busy = highest(l->isr);

	if (busy < 0 || l->tpr >> 4 >= busy >> 4)
		return l->tpr;
	return busy & 0xf0;
}

/* LINT0 is INTR when it is programmed so, and when the APIC is off. */
static bool
extint_pending(struct lapic *l)
{
	uint32_t lvt = l->lvt[LVT_LINT0 - LVT_TIMER];

	if (!(l->base & BASE_ENABLED))
		return l->lint0 && !l->id;
	return l->extint || (l->lint0 && !(lvt & LVT_MASKED) &&
	    (lvt >> 8 & 7) == EXTINT);
}

static bool
deliverable(struct lapic *l)
{
	int next = highest(l->irr);

	return extint_pending(l) || (enabled(l) && next >= 0 &&
	    next >> 4 > ppr(l) >> 4);
}

/* Lock held; true: the caller tells the processor once it is dropped. */
static bool
settle(struct lapic *l)
{
	atomic_store_explicit(&l->ppr_hint, ppr(l), memory_order_relaxed);
	return deliverable(l);
}

static void
poke(struct lapic *l)
{
	l->all->wires.interrupt(l->all->wires.opaque, l->id);
}

/* 11.5.3; lock held. */
static void
error(struct lapic *l, uint32_t bit)
{
	uint32_t lvt = l->lvt[LVT_ERROR - LVT_TIMER];

	if (l->esr_pending & bit)
		return;
	l->esr_pending |= bit;
	if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16) {
		put(l->irr, lvt & 0xff, true);
		put(l->tmr, lvt & 0xff, false);
	}
}

static void
accept(struct lapic *l, uint8_t vector, bool level)
{
	bool tell = false;

	pthread_mutex_lock(&l->lock);
	if (!enabled(l)) {
		/* dropped */
	} else if (vector < 16) {
		error(l, ESR_RECEIVE_VECTOR);
		tell = settle(l);
	} else {
		put(l->irr, vector, true);
		put(l->tmr, vector, level);
		tell = settle(l);
	}
	pthread_mutex_unlock(&l->lock);
	if (tell)
		poke(l);
}

/* --- Messages ------------------------------------------------------------- */

static void reset(struct lapic *l);

/* 11.6.2 */
static bool
is_for(struct lapic *l, const struct message *m)
{
	uint32_t ldr = l->ldr, cluster;

	if (!(l->base & BASE_ENABLED))
		return m->mode == INIT || m->mode == STARTUP ?
		    !m->logical && m->dest == l->id : false;
	if (m->dest == (m->wide ? UINT32_MAX : 0xff))
		return true;
	if (!m->logical)
		return m->dest == l->id;
	if (x2apic(l)) {
		/* Messages with 8 bits reach the first cluster. */
		return m->dest >> 16 == ldr >> 16 && (m->dest & ldr & 0xffff);
	}
	ldr >>= 24;
	if (l->dfr >> 28 == 0xf)
		return m->dest & ldr;
	cluster = m->dest >> 4 & 15;
	return (cluster == ldr >> 4 || cluster == 15) && (m->dest & ldr & 15);
}

static void
deliver(struct lapic *l, const struct message *m, bool locked)
{
	const struct lapic_wires *w = &l->all->wires;

	switch (m->mode) {
	case FIXED:
	case LOWEST:
		accept(l, m->vector, m->level);
		break;
	case NMI:
		w->nmi(w->opaque, l->id);
		break;
	case INIT:		/* the APIC as well: 11.4.7.3 */
		if (!locked)
			board_lock(l->all->board);
		reset(l);
		if (!locked)
			board_unlock(l->all->board);
		w->init(w->opaque, l->id);
		break;
	case STARTUP:
		w->sipi(w->opaque, l->id, m->vector);
		break;
	case EXTINT:
		pthread_mutex_lock(&l->lock);
		l->extint = true;
		pthread_mutex_unlock(&l->lock);
		poke(l);
		break;
	}
}

/* To whoever it is for; locked says whether the board lock is held. */
static void
send(struct lapics *a, const struct message *m, bool locked)
{
	unsigned turn = m->mode == LOWEST ? atomic_fetch_add(&a->turn, 1) : 0;
	struct lapic *best = NULL;

	for (unsigned i = 0; i < a->n; i++) {
		struct lapic *l = &a->cpu[(turn + i) % a->n];

		if (!is_for(l, m))
			continue;
		if (m->mode != LOWEST)
			deliver(l, m, locked);
		else if ((l->svr & SVR_ENABLED) &&
		    (!best || l->ppr_hint < best->ppr_hint))
			best = l;
	}
	if (best)
		deliver(best, m, locked);
}

/* 11.11 */
static void
msi(void *sink, uint64_t addr, uint32_t data)
{
	/* Remapping hardware would use bits 55..40 for more of the id. */
	struct message m = { .dest = addr >> 12 & 0xff, .logical = addr & 4,
	    .mode = data >> 8 & 7, .vector = (uint8_t)data,
	    .level = data & 0x8000 };

	if (addr >> 20 != LAPIC_BASE >> 20 || m.mode == STARTUP)
		return;
	/* The redirection hint asks for one of a group. */
	if ((addr & 8) && m.logical && m.mode == FIXED)
		m.mode = LOWEST;
	send(sink, &m, true);
}

struct msi_sink
lapics_msi(struct lapics *a)
{
	return (struct msi_sink){ msi, a };
}

/* The interrupt command register was written: 11.6.1 */
static void
command(struct lapic *l, uint32_t icr, uint32_t dest)
{
	struct message m = { .dest = dest, .wide = x2apic(l),
	    .logical = icr & 0x800, .mode = icr >> 8 & 7,
	    .vector = (uint8_t)icr };

	/* The INIT level de-assert is not for processors of this kind. */
	if (m.mode == INIT && (icr & 0x8000) && !(icr & 0x4000))
		return;
	if ((m.mode == FIXED || m.mode == LOWEST) && m.vector < 16) {
		pthread_mutex_lock(&l->lock);
		error(l, ESR_SEND_VECTOR);
		bool tell = settle(l);
		pthread_mutex_unlock(&l->lock);
		if (tell)
			poke(l);
		return;
	}
	if (m.mode == EXTINT)
		return;
	switch (icr >> 18 & 3) {
	case 0:
		if (!m.wide)
			m.dest &= 0xff;
		send(l->all, &m, false);
		break;
	case 1:
		if (m.mode == FIXED)
			deliver(l, &m, false);
		break;
	case 2:
	case 3:
		for (unsigned i = 0; i < l->all->n; i++) {
			struct lapic *to = &l->all->cpu[i];

			if (to == l && (icr >> 18 & 3) == 3)
				continue;
			/* Whether or not it is enabled for INIT, SIPI. */
			if ((to->base & BASE_ENABLED) || m.mode >= INIT)
				deliver(to, &m, false);
		}
		break;
	}
}

/* --- Acknowledging, and the end ------------------------------------------- */

/* Without the APIC's lock: the 8259 is the board's. */
static int
acknowledge_extint(struct lapic *l)
{
	struct lapics *a = l->all;
	int vector = -1;

	board_lock(a->board);
	pthread_mutex_lock(&l->lock);
	if (extint_pending(l) && a->wires.extint)
		vector = 0;
	l->extint = false;
	pthread_mutex_unlock(&l->lock);
	if (vector == 0)
		vector = a->wires.extint(a->wires.opaque);
	board_unlock(a->board);
	return vector;
}

int
lapic_acknowledge(void *lapic)
{
	struct lapic *l = lapic;
	int vector = -1, next;
	bool more, ext;

	pthread_mutex_lock(&l->lock);
	ext = extint_pending(l);
	pthread_mutex_unlock(&l->lock);
	if (ext)
		vector = acknowledge_extint(l);
	pthread_mutex_lock(&l->lock);
	next = highest(l->irr);
	if (vector < 0 && enabled(l) && next >= 0 && next >> 4 > ppr(l) >> 4) {
		put(l->irr, (unsigned)next, false);
		put(l->isr, (unsigned)next, true);
		vector = next;
	}
	more = settle(l);
	pthread_mutex_unlock(&l->lock);
	if (more)
		poke(l);
	return vector;
}

/* 11.8.5 */
static void
end_of_interrupt(struct lapic *l)
{
	struct lapics *a = l->all;
	bool level = false, tell;
	int busy;

	pthread_mutex_lock(&l->lock);
	busy = highest(l->isr);
	if (busy >= 0) {
		put(l->isr, (unsigned)busy, false);
		level = has(l->tmr, (unsigned)busy);
	}
	tell = settle(l);
	pthread_mutex_unlock(&l->lock);
	if (level && a->wires.eoi) {
		board_lock(a->board);
		a->wires.eoi(a->wires.opaque, (uint8_t)busy);
		board_unlock(a->board);
	}
	if (tell)
		poke(l);
}

/* --- The timer; board lock held ------------------------------------------- */

static unsigned
timer_mode(const struct lapic *l)
{
	return l->lvt[0] >> 17 & 3;
}

/* Nanoseconds (the bus clock is 1 GHz) per count: 11.5.4 */
static uint64_t
divisor(const struct lapic *l)
{
	unsigned d = (l->divide & 3) | (l->divide >> 1 & 4);

	return d == 7 ? 1 : 2ull << d;
}

static uint64_t
period(const struct lapic *l)
{
	return l->initial * divisor(l);
}

static uint32_t
current_count(const struct lapic *l)
{
	uint64_t gone;

	if (!l->initial || timer_mode(l) == DEADLINE)
		return 0;
	gone = board_now_ns(l->all->board) - l->start_ns;
	if (timer_mode(l) == PERIODIC)
		gone %= period(l);
	else if (gone >= period(l))
		return 0;
	return l->initial - (uint32_t)(gone / divisor(l));
}

static void
set_counter(struct lapic *l)
{
	timer_stop(&l->timer);
	if (l->initial && timer_mode(l) != DEADLINE)
		timer_set(&l->timer, l->start_ns + period(l));
}

static void
expired(struct lapic *l)
{
	if (!(l->lvt[0] & LVT_MASKED))
		accept(l, (uint8_t)l->lvt[0], false);
}

static void
set_deadline(struct lapic *l, uint64_t deadline)
{
	const struct lapic_wires *w = &l->all->wires;
	uint64_t now = w->tsc(w->opaque, l->id), ns;

	timer_stop(&l->timer);
	l->deadline = deadline;
	if (!deadline)
		return;
	if (now >= deadline) {
		l->deadline = 0;
		expired(l);
		return;
	}
	ns = (uint64_t)((unsigned __int128)(deadline - now) * NS_PER_S /
	    w->tsc_hz);
	timer_set(&l->timer, board_now_ns(l->all->board) + ns + 1);
}

static void
fire(void *opaque)
{
	struct lapic *l = opaque;
	uint64_t now = board_now_ns(l->all->board), next;

	switch (timer_mode(l)) {
	case DEADLINE:
		set_deadline(l, l->deadline);	/* fires, if it is time */
		return;
	case PERIODIC:
		/* start_ns stays in step; what was missed is not made up. */
		if (now - l->start_ns >= period(l))
			l->start_ns += (now - l->start_ns) / period(l) *
			    period(l);
		next = l->start_ns + period(l);
		if (next < now + PERIOD_MIN_NS)
			next = now + PERIOD_MIN_NS;
		timer_set(&l->timer, next);
		break;
	}
	expired(l);
}

/* A register of the timer; the board lock is not held. */
static void
write_timer(struct lapic *l, unsigned reg, uint32_t v)
{
	struct board *b = l->all->board;
	bool other;

	board_lock(b);
	switch (reg) {
	case LVT_TIMER:
		pthread_mutex_lock(&l->lock);
		other = (timer_mode(l) == DEADLINE) != ((v >> 17 & 3) ==
		    DEADLINE);
		l->lvt[0] = v & 0x710ff;
		if (!(l->svr & SVR_ENABLED))
			l->lvt[0] |= LVT_MASKED;
		pthread_mutex_unlock(&l->lock);
		if (other) {
			timer_stop(&l->timer);
			l->deadline = l->initial = 0;
		} else if (timer_mode(l) == PERIODIC && !l->timer.pending) {
			set_counter(l);
		}
		break;
	case TIMER_INITIAL:
		if (timer_mode(l) == DEADLINE)
			break;
		l->initial = v;
		l->start_ns = board_now_ns(b);
		set_counter(l);
		break;
	case TIMER_DIVIDE:
		/* Goes on from where it is. */
		v &= 0xb;
		if (v != l->divide && l->initial) {
			uint32_t count = current_count(l);

			l->divide = v;
			l->start_ns = board_now_ns(b) -
			    (l->initial - count) * divisor(l);
			if (l->timer.pending)
				set_counter(l);
		}
		l->divide = v;
		break;
	}
	board_unlock(b);
}

/* --- Registers ------------------------------------------------------------ */

static uint32_t
get(struct lapic *l, unsigned reg)
{
	switch (reg) {
	case ID: return x2apic(l) ? l->id : l->id << 24;
	case VERSION: return VERSION_VALUE;
	case TPR: return l->tpr;
	case APR:
	case PPR: return ppr(l);
	case LDR: return l->ldr;
	case DFR: return l->dfr;
	case SVR: return l->svr;
	case ISR ... ISR + 7: return l->isr[reg - ISR];
	case TMR ... TMR + 7: return l->tmr[reg - TMR];
	case IRR ... IRR + 7: return l->irr[reg - IRR];
	case ESR: return l->esr;
	case ICR: return l->icr;
	case ICR_HIGH: return l->icr_high;
	case LVT_TIMER ... LVT_ERROR: return l->lvt[reg - LVT_TIMER];
	case EOI: return 0;
	default:
		error(l, ESR_REGISTER);
		return 0;
	}
}

uint32_t
lapic_read(void *lapic, unsigned reg)
{
	struct lapic *l = lapic;
	uint32_t v;

	if (reg == TIMER_INITIAL || reg == TIMER_CURRENT ||
	    reg == TIMER_DIVIDE) {
		board_lock(l->all->board);
		v = reg == TIMER_INITIAL ? l->initial : reg == TIMER_DIVIDE ?
		    l->divide : current_count(l);
		board_unlock(l->all->board);
		return v;
	}
	LOCKED(&l->lock);
	return get(l, reg);
}

/* Masked as long as the APIC is off by software: 11.4.7.2 */
static void
put_lvt(struct lapic *l, unsigned reg, uint32_t v)
{
	static const uint32_t may[LVT_N] = { 0, 0x107ff, 0x107ff, 0x1a7ff,
	    0x1a7ff, 0x100ff };
	unsigned i = reg - LVT_TIMER;

	l->lvt[i] = (v & may[i]) | (l->lvt[i] & LVT_REMOTE_IRR);
	if (!(l->svr & SVR_ENABLED))
		l->lvt[i] |= LVT_MASKED;
}

static void
put_svr(struct lapic *l, uint32_t v)
{
	l->svr = v & 0x1ff;
	if (!(v & SVR_ENABLED))
		for (unsigned i = 0; i < LVT_N; i++)
			l->lvt[i] |= LVT_MASKED;
}

/* What needs no more than the APIC's own lock; false: no such register. */
static bool
set(struct lapic *l, unsigned reg, uint32_t v)
{
	switch (reg) {
	case TPR: l->tpr = (uint8_t)v; return true;
	case LDR: l->ldr = v & 0xff000000; return true;
	case DFR: l->dfr = v | 0x0fffffff; return true;
	case SVR: put_svr(l, v); return true;
	case ESR:
		l->esr = l->esr_pending;
		l->esr_pending = 0;
		return true;
	case ICR: l->icr = v & 0xccfff; return true;
	case ICR_HIGH: l->icr_high = v & 0xff000000; return true;
	case LVT_THERMAL ... LVT_ERROR: put_lvt(l, reg, v); return true;
	case ID:			/* the processor's number, for good */
		return true;
	}
	return false;
}

void
lapic_write(void *lapic, unsigned reg, uint32_t v)
{
	struct lapic *l = lapic;
	uint32_t dest;
	bool tell;

	switch (reg) {
	case EOI:
		end_of_interrupt(l);
		return;
	case LVT_TIMER:
	case TIMER_INITIAL:
	case TIMER_DIVIDE:
		write_timer(l, reg, v);
		return;
	}
	/* SVR masks the timer, too, which is the board's. */
	if (reg == SVR)
		board_lock(l->all->board);
	pthread_mutex_lock(&l->lock);
	if (!set(l, reg, v))
		error(l, ESR_REGISTER);
	dest = l->icr_high >> 24;
	tell = settle(l);
	pthread_mutex_unlock(&l->lock);
	if (reg == SVR)
		board_unlock(l->all->board);
	if (tell)
		poke(l);
	if (reg == ICR)
		command(l, v, dest);
}

uint8_t
lapic_tpr(void *lapic)
{
	struct lapic *l = lapic;

	LOCKED(&l->lock);
	return l->tpr >> 4;
}

void
lapic_set_tpr(void *lapic, uint8_t cr8)
{
	lapic_write(lapic, TPR, (uint32_t)(cr8 & 15) << 4);
}

/* --- Model specific registers --------------------------------------------- */

uint64_t
lapic_base(void *lapic)
{
	struct lapic *l = lapic;
	uint64_t base = l->base;

	return (base & (BASE_ENABLED | BASE_X2APIC)) == BASE_ENABLED ?
	    base & BASE_ADDRESS : 0;
}

/* 11.12.5: the ways between the modes. */
static bool
put_base(struct lapic *l, uint64_t v)
{
	const uint64_t modes = BASE_ENABLED | BASE_X2APIC;
	uint64_t old = l->base;

	if (v & ~(BASE_ADDRESS | modes | BASE_BSP) ||
	    (v & modes) == BASE_X2APIC ||
	    ((old & BASE_X2APIC) && (v & modes) == BASE_ENABLED) ||
	    (!(old & BASE_ENABLED) && (v & BASE_X2APIC)))
		return false;
	v = (v & ~(uint64_t)BASE_BSP) | (old & BASE_BSP);
	board_lock(l->all->board);
	if ((old & BASE_ENABLED) && !(v & BASE_ENABLED))
		reset(l);
	pthread_mutex_lock(&l->lock);
	l->base = v;
	if (v & BASE_X2APIC)
		l->ldr = (l->id >> 4) << 16 | 1u << (l->id & 15);
	pthread_mutex_unlock(&l->lock);
	board_unlock(l->all->board);
	poke(l);
	return true;
}

bool
lapic_rdmsr(void *lapic, uint32_t msr, uint64_t *v)
{
	struct lapic *l = lapic;
	unsigned reg = msr & 0xff;

	if (msr == MSR_BASE) {
		*v = l->base;
		return true;
	}
	if (msr == MSR_DEADLINE) {
		board_lock(l->all->board);
		*v = timer_mode(l) == DEADLINE ? l->deadline : 0;
		board_unlock(l->all->board);
		return true;
	}
	/* 11.12.1.2: which registers there are, and may be read. */
	if (!x2apic(l) || reg < ID || reg == EOI || reg == SELF_IPI ||
	    (reg > VERSION && reg < TPR) || reg == APR || reg == 0x0c ||
	    reg == DFR || (reg > ESR && reg < ICR) || reg == ICR_HIGH ||
	    (reg > TIMER_CURRENT && reg < TIMER_DIVIDE) || reg > SELF_IPI)
		return false;
	*v = lapic_read(l, reg);
	if (reg == ICR) {
		LOCKED(&l->lock);
		*v |= (uint64_t)l->icr_high << 32;
	}
	return true;
}

bool
lapic_wrmsr(void *lapic, uint32_t msr, uint64_t v)
{
	struct lapic *l = lapic;
	unsigned reg = msr & 0xff;

	if (msr == MSR_BASE)
		return put_base(l, v);
	if (msr == MSR_DEADLINE) {
		board_lock(l->all->board);
		if (timer_mode(l) == DEADLINE)
			set_deadline(l, v);
		board_unlock(l->all->board);
		return true;
	}
	if (!x2apic(l))
		return false;
	switch (reg) {
	case ICR:
		pthread_mutex_lock(&l->lock);
		l->icr = (uint32_t)v & 0xccfff;
		l->icr_high = (uint32_t)(v >> 32);
		pthread_mutex_unlock(&l->lock);
		command(l, (uint32_t)v, (uint32_t)(v >> 32));
		return true;
	case SELF_IPI:
		if (v >> 8)
			return false;
		command(l, 0x40000 | (uint32_t)v, 0);
		return true;
	case EOI:
	case ESR:
		if (v)
			return false;
		break;
	case TPR:
		if (v >> 8)
			return false;
		break;
	case SVR:
	case LVT_TIMER ... LVT_ERROR:
	case TIMER_INITIAL:
	case TIMER_DIVIDE:
		if (v >> 32)
			return false;
		break;
	default:
		return false;
	}
	lapic_write(l, reg, (uint32_t)v);
	return true;
}

/* --- Pins, reset, making -------------------------------------------------- */

static void
set_intr(void *sink, unsigned n, bool level)
{
	struct lapics *a = sink;

	for (unsigned i = 0; i < a->n; i++) {
		struct lapic *l = &a->cpu[i];
		uint32_t lvt;
		bool rose, tell;

		pthread_mutex_lock(&l->lock);
		rose = level && !l->lint0;
		l->lint0 = level;
		lvt = l->lvt[LVT_LINT0 - LVT_TIMER];
		tell = settle(l);
		pthread_mutex_unlock(&l->lock);
		if (rose && !(lvt & LVT_MASKED) && (lvt >> 8 & 7) == FIXED)
			accept(l, (uint8_t)lvt, false);
		else if (rose && tell)
			poke(l);
	}
}

static void
set_nmi(void *sink, unsigned n, bool level)
{
	struct lapics *a = sink;

	for (unsigned i = 0; i < a->n; i++) {
		struct lapic *l = &a->cpu[i];
		uint32_t lvt;
		bool rose;

		pthread_mutex_lock(&l->lock);
		rose = level && !l->lint1;
		l->lint1 = level;
		lvt = l->lvt[LVT_LINT1 - LVT_TIMER];
		pthread_mutex_unlock(&l->lock);
		if (!rose || (lvt & LVT_MASKED))
			continue;
		if ((lvt >> 8 & 7) == NMI)
			a->wires.nmi(a->wires.opaque, l->id);
		else if ((lvt >> 8 & 7) == FIXED)
			accept(l, (uint8_t)lvt, false);
	}
}

struct irq
lapics_intr(struct lapics *a)
{
	return (struct irq){ set_intr, a, 0 };
}

struct irq
lapics_nmi(struct lapics *a)
{
	return (struct irq){ set_nmi, a, 0 };
}

/* As INIT leaves it (11.4.7.1): the base stays.  Board lock held. */
static void
reset(struct lapic *l)
{
	timer_stop(&l->timer);
	l->initial = l->divide = 0;
	l->deadline = 0;
	pthread_mutex_lock(&l->lock);
	memset(l->irr, 0, sizeof(l->irr));
	memset(l->isr, 0, sizeof(l->isr));
	memset(l->tmr, 0, sizeof(l->tmr));
	l->tpr = 0;
	l->esr = l->esr_pending = l->icr = l->icr_high = 0;
	l->extint = false;
	l->svr = 0xff;
	l->dfr = UINT32_MAX;
	l->ldr = x2apic(l) ? (l->id >> 4) << 16 | 1u << (l->id & 15) : 0;
	for (unsigned i = 0; i < LVT_N; i++)
		l->lvt[i] = LVT_MASKED;
	settle(l);
	pthread_mutex_unlock(&l->lock);
}

void
lapics_reset(struct lapics *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		struct lapic *l = &a->cpu[i];

		l->base = LAPIC_BASE | BASE_ENABLED | (i ? 0 : BASE_BSP);
		reset(l);
	}
}

struct lapic *
lapics_cpu(struct lapics *a, unsigned cpu)
{
	return &a->cpu[cpu];
}

struct lapics *
lapics_new(struct board *b, unsigned n, const struct lapic_wires *wires,
    struct error *err)
{
	struct lapics *a = calloc(1, sizeof(*a) + n * sizeof(a->cpu[0]));

	if (!a) {
		error_errno(err, ENOMEM, "local APICs");
		return NULL;
	}
	a->board = b;
	a->wires = *wires;
	a->n = n;
	for (unsigned i = 0; i < n; i++) {
		struct lapic *l = &a->cpu[i];

		l->all = a;
		l->id = i;
		pthread_mutex_init(&l->lock, NULL);
		timer_init(&l->timer, b, fire, l);
	}
	lapics_reset(a);
	return a;
}

void
lapics_free(struct lapics *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < a->n; i++) {
		timer_stop(&a->cpu[i].timer);
		pthread_mutex_destroy(&a->cpu[i].lock);
	}
	free(a);
}
