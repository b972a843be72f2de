/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio.h - virtio devices and their queues, whatever the transport
 *
 * A device (virtio_blk.c, ...) embeds a struct virtio, says in a struct
 * virtio_ops what it is, takes chains of buffers from its queues by
 * virtq_pop() and gives them back by virtq_push(), at once or later.  The
 * transport (virtio_pci.c) turns registers into the calls at the end.
 *
 * Rings lie in guest memory and are hostile: each descriptor is copied once
 * and checked, a chain is no longer than its queue, at most as many chains are
 * out as the queue has entries, and addresses are looked up by mem.h alone.
 * A ring that breaks the rules breaks the device: DEVICE_NEEDS_RESET, and
 * nothing more until the driver resets it.
 *
 * Virtual I/O Device (VIRTIO) version 1.2 is cited by section.  Split rings
 * only.  All with the board lock held.
 */
#ifndef DEV_VIRTIO_H
#define DEV_VIRTIO_H

#include <sys/uio.h>

#include "core/board.h"
#include "core/mem.h"

enum { VIRTQ_MAX = 256, VIRTIO_QUEUES = 64, VIRTIO_CONFIG = 64 };

/* Device status, 2.1. */
enum {
	VIRTIO_ACKNOWLEDGE = 0x01, VIRTIO_DRIVER = 0x02, VIRTIO_DRIVER_OK = 0x04,
	VIRTIO_FEATURES_OK = 0x08, VIRTIO_NEEDS_RESET = 0x40, VIRTIO_FAILED = 0x80,
};

/* Features of all devices, clause 6. */
#define VIRTIO_F_ANY_LAYOUT	(1ull << 27)
#define VIRTIO_F_INDIRECT	(1ull << 28)
#define VIRTIO_F_EVENT_IDX	(1ull << 29)
#define VIRTIO_F_VERSION_1	(1ull << 32)

#define VIRTIO_NO_VECTOR 0xffff

struct virtio;
struct virtq;

struct virtio_seg {
	uint64_t gpa;
	uint32_t len;
};

/* A chain of buffers taken from a queue; a device's own struct begins with
 * it (virtio_ops.elem_size). */
struct virtio_elem {
	struct virtq *q;
	struct virtio_elem *next, *made; /* the queue's own */
	unsigned generation;
	uint16_t head;
	unsigned outs, ins;		/* of seg: first those it reads */
	uint64_t out_len, in_len;
	struct virtio_seg seg[VIRTQ_MAX];
};

struct virtq {
	struct virtio *v;
	unsigned n;			/* its number */
	uint16_t max, size;		/* entries: offered, chosen */
	uint16_t vector;
	bool ready;
	uint64_t desc, avail, used;
	uint16_t next_avail, next_used, told;
	unsigned out;			/* chains the device has */
	bool again;			/* run() is to be called again */
	struct virtio_elem *spare;
	struct virtio_elem *made;	/* all, wherever they are */
};

struct virtio_ops {
	uint16_t id;			/* clause 5 */
	unsigned queues;		/* at most; v->queues says how many */
	size_t elem_size;
	/* The queue may have something new. */
	void (*run)(struct virtio *, struct virtq *);
	/* The driver is gone: chains the device holds, but for those a disk
	 * is at work on, are to be dropped by virtq_push(). */
	void (*reset)(struct virtio *);
	/* The driver changed configuration bytes.  NULL: it cannot. */
	void (*config_written)(struct virtio *, unsigned off, unsigned n);
	/* The driver is done with its set-up.  NULL: not of interest. */
	void (*started)(struct virtio *);
};

struct virtio {
	const struct virtio_ops *ops;
	const char *name;
	struct board *board;
	struct mem *mem;
	uint64_t offered, features;	/* features: what the driver took */
	uint8_t status;
	bool broken;
	bool resetting;			/* chains of before are still out */
	unsigned generation, out;
	unsigned queues;
	struct virtq *queue;
	uint8_t config[VIRTIO_CONFIG], config_writable[VIRTIO_CONFIG];
	unsigned config_len;
	struct board_work work;		/* runs queues again */
	/* The transport's: tells of used buffers, or (q NULL) of the
	 * configuration; and whether the device may reach memory. */
	void (*interrupt)(struct virtio *, struct virtq *q);
	bool (*may_dma)(struct virtio *);
};

/* ---- for devices */

/* queue_size: entries, a power of two up to VIRTQ_MAX. */
int virtio_init(struct virtio *, const struct virtio_ops *, struct board *,
    struct mem *, unsigned queues, unsigned queue_size, struct error *err);
void virtio_fini(struct virtio *);
static inline bool virtio_has(const struct virtio *v, uint64_t feature)
{
	return v->features & feature;
}

/* The next chain, NULL when there is none (or the device is broken). */
struct virtio_elem *virtq_pop(struct virtq *);
/* Gives it back; the first "written" bytes of its in buffers are new. */
void virtq_push(struct virtio_elem *, uint32_t written);
/* Interrupts, where the driver asked for it, about all pushed so far. */
void virtq_notify(struct virtq *);
/* run() is called again soon, for the rest of a long ring. */
void virtq_again(struct virtq *);

/* Out bytes [off, off + n) into buf, in bytes from buf: how many there were,
 * until the end or an address that is not RAM. */
uint64_t elem_read(struct virtio_elem *, uint64_t off, void *buf, uint64_t n);
uint64_t elem_write(struct virtio_elem *, uint64_t off, const void *buf,
    uint64_t n);
/* Guest memory of these bytes; false: not all RAM, or more than max. */
bool elem_iov(struct virtio_elem *, bool in, uint64_t off, uint64_t len,
    struct iovec *iov, int *n, int max);
/* In bytes were written through elem_iov(). */
void elem_written(struct virtio_elem *, uint64_t off, uint64_t len);

void virtio_break(struct virtio *);

/* ---- for transports */

void virtio_reset(struct virtio *);
void virtio_set_status(struct virtio *, uint8_t status);
void virtio_set_features(struct virtio *, uint64_t features);
void virtio_kick(struct virtio *, unsigned queue);
void virtio_kick_all(struct virtio *);
/* The queue's parts as the old layout has them, 2.7.2; 0: none. */
void virtq_legacy_place(struct virtq *, uint64_t gpa);

#endif
