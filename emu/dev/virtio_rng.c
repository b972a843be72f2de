/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_rng.c - random bytes of the host (VIRTIO 1.2, 5.4)
 *
 * getrandom(2) never runs dry, but it takes time; so a guest gets so much in
 * each period, and the rest of its buffers wait.
 */
#include "dev/virtio_rng.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/bytes.h"

enum { CHUNK = 4096, QUEUE_SIZE = 8 };

struct virtio_rng {
	struct virtio_pci p;	/* first */
	struct timer timer;	/* the next period, while buffers wait */
	uint64_t max_bytes, left;
	uint64_t period_ns, until_ns;
};

static struct virtio_rng *of(struct virtio *v)
{
	return (struct virtio_rng *)((char *)v -
	    offsetof(struct virtio_rng, p.v));
}

/* What may be given now. */
static uint64_t allowance(struct virtio_rng *r)
{
	uint64_t now = board_now_ns(r->p.v.board);

	if (now >= r->until_ns) {
		r->until_ns = now + r->period_ns;
		r->left = r->max_bytes;
	}
	return r->left;
}

/* Bytes put into the chain: at least one, or the driver would ask again. */
static uint32_t fill(struct virtio_rng *r, struct virtio_elem *e)
{
	uint8_t buf[CHUNK];
	uint64_t n = min64(min64(e->in_len, r->left), CHUNK);
	ssize_t got = getrandom(buf, n, 0);

	if (got <= 0)
		return 0;
	r->left -= (uint64_t)got;
	return (uint32_t)elem_write(e, 0, buf, (uint64_t)got);
}

static void run(struct virtio *v, struct virtq *q)
{
	struct virtio_rng *r = of(v);
	struct virtio_elem *e;

	for (unsigned n = 0; n < q->size; n++) {
		if (!allowance(r)) {
			timer_set(&r->timer, r->until_ns);
			break;
		}
		e = virtq_pop(q);
		if (!e)
			break;
		virtq_push(e, fill(r, e));
		if (n + 1 == q->size)
			virtq_again(q);
	}
	virtq_notify(q);
}

static void next_period(void *opaque)
{
	virtio_kick_all(&((struct virtio_rng *)opaque)->p.v);
}

static void reset(struct virtio *v)
{
	timer_stop(&of(v)->timer);
}

static void free_rng(struct virtio_pci *p)
{
	timer_stop(&of(&p->v)->timer);
	free(p);
}

static const struct virtio_ops ops = {
	.id = 4,
	.queues = 1,
	.elem_size = sizeof(struct virtio_elem),
	.run = run,
	.reset = reset,
};

int virtio_rng_new(struct pci_bus *bus, struct board *board, struct mem *mem,
    const struct virtio_rng_config *c, struct error *err)
{
	struct virtio_rng *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return error_set(err, ENOMEM, "no memory for virtio-rng-pci");
	r->p.v.name = "virtio-rng-pci";
	r->p.free = free_rng;
	r->max_bytes = c->max_bytes ? c->max_bytes : MIB;
	r->period_ns = (c->period_ms ? c->period_ms : 100) * 1000000ull;
	timer_init(&r->timer, board, next_period, r);
	rc = virtio_init(&r->p.v, &ops, board, mem, 1, QUEUE_SIZE, err);
	if (!rc)
		rc = virtio_pci_init(&r->p, bus, &c->pci, 0x00, 0xff, err);
	if (rc && !r->p.pci.bus) {
		virtio_fini(&r->p.v);
		free(r);
	}
	return rc;
}
