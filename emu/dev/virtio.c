/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio.c - split rings, device status, reset
 *
 * A driver may reset a device while a disk works on its buffers.  The
 * generation is counted up then: a chain of an older one that comes back is
 * dropped, its ring no longer looked at.  Until the last of them is back
 * nothing new is taken from the rings, and a driver that asks sees that the
 * reset is not over (4.1.4.3.1).
 */
#include "dev/virtio.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/log.h"

/* 2.7.5, 2.7.6, 2.7.8 */
struct desc {
	le64 addr;
	le32 len;
	le16 flags, next;
};
_Static_assert(sizeof(struct desc) == 16, "descriptor");
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1 };

struct used_elem {
	le32 id, len;
};
_Static_assert(sizeof(struct used_elem) == 8, "used element");

/* ---- words both sides look at while the other may write */

static uint16_t *word_at(struct mem *m, uint64_t gpa)
{
	struct iovec iov;
	int n = 0;

	if (gpa & 1 || !mem_iov(m, gpa, 2, &iov, &n, 1))
		return NULL;
	return iov.iov_base;
}

static bool load(struct virtq *q, uint64_t gpa, uint16_t *v)
{
	uint16_t *p = word_at(q->v->mem, gpa);

	if (!p) {
		virtio_break(q->v);
		return false;
	}
	*v = le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
	return true;
}

static bool store(struct virtq *q, uint64_t gpa, uint16_t v)
{
	uint16_t *p = word_at(q->v->mem, gpa);

	if (!p) {
		virtio_break(q->v);
		return false;
	}
	__atomic_store_n(p, htole16(v), __ATOMIC_RELEASE);
	mem_written(q->v->mem, gpa, 2);
	return true;
}

/* ---- taking */

static struct virtio_elem *get_elem(struct virtq *q)
{
	struct virtio_elem *e = q->spare;

	if (e) {
		q->spare = e->next;
	} else {
		e = malloc(q->v->ops->elem_size);
		if (!e)
			return NULL;
		e->made = q->made;
		q->made = e;
	}
	e->q = q;
	e->generation = q->v->generation;
	e->outs = e->ins = 0;
	e->out_len = e->in_len = 0;
	return e;
}

static void put_elem(struct virtio_elem *e)
{
	e->next = e->q->spare;
	e->q->spare = e;
}

static bool add_seg(struct virtio_elem *e, const struct desc *d)
{
	unsigned n = e->outs + e->ins;
	uint32_t len = le32_get(d->len);
	bool in = le16_get(d->flags) & DESC_WRITE;

	/* What the device reads comes first, 2.7.4.2; nothing is empty. */
	if (n == VIRTQ_MAX || !len || (!in && e->ins))
		return false;
	e->seg[n] = (struct virtio_seg){ le64_get(d->addr), len };
	if (in) {
		e->ins++;
		e->in_len += len;
	} else {
		e->outs++;
		e->out_len += len;
	}
	return true;
}

/* Follows the chain from e->head.  Each descriptor is copied, once. */
static bool walk(struct virtq *q, struct virtio_elem *e)
{
	uint64_t table = q->desc;
	uint32_t entries = q->size, i = e->head;
	bool indirect = false;

	for (unsigned n = 0; n < q->size; n++) {
		struct desc d;
		unsigned flags;

		if (i >= entries || !mem_read(q->v->mem,
		    table + (uint64_t)i * sizeof(d), &d, sizeof(d)))
			return false;
		flags = le16_get(d.flags);
		if (flags & DESC_INDIRECT) {
			uint32_t len = le32_get(d.len);

			/* One level, and it ends the chain (2.7.5.3.1). */
			if (indirect || flags & DESC_NEXT || !len ||
			    len % sizeof(d) ||
			    !virtio_has(q->v, VIRTIO_F_INDIRECT))
				return false;
			table = le64_get(d.addr);
			if (table > UINT64_MAX - len)
				return false;
			entries = len / sizeof(d);
			i = 0;
			indirect = true;
			/* It is none of the chain's buffers itself. */
			n--;
			continue;
		}
		if (!add_seg(e, &d))
			return false;
		if (!(flags & DESC_NEXT))
			return true;
		i = le16_get(d.next);
	}
	return false;
}

/* May the device look at its rings? Old drivers use them before DRIVER_OK,
 * and some never allow bus mastering. */
static bool is_live(struct virtio *v)
{
	if (v->broken || v->resetting || v->status & VIRTIO_FAILED)
		return false;
	return !virtio_has(v, VIRTIO_F_VERSION_1) ||
	    (v->status & VIRTIO_DRIVER_OK && v->may_dma(v));
}

struct virtio_elem *virtq_pop(struct virtq *q)
{
	struct virtio *v = q->v;
	struct virtio_elem *e;
	uint16_t avail, head;

	if (!q->ready || !is_live(v) ||
	    !load(q, q->avail + 2, &avail))
		return NULL;
	if (avail == q->next_avail) {
		/* Tell us of the next one; it may just have come. */
		if (virtio_has(v, VIRTIO_F_EVENT_IDX) &&
		    !store(q, q->used + 4 + 8ull * q->size, q->next_avail))
			return NULL;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!load(q, q->avail + 2, &avail) || avail == q->next_avail)
			return NULL;
	}
	if ((uint16_t)(avail - q->next_avail) > q->size ||
	    q->out >= q->size ||
	    !load(q, q->avail + 4 + 2ull * (q->next_avail % q->size), &head)) {
		virtio_break(v);
		return NULL;
	}
	e = get_elem(q);
	if (!e) {
		virtio_break(v);
		return NULL;
	}
	e->head = head;
	if (!walk(q, e)) {
		put_elem(e);
		virtio_break(v);
		return NULL;
	}
	q->next_avail++;
	q->out++;
	v->out++;
	return e;
}

/* ---- giving back */

static void run_again(void *opaque);

void virtq_push(struct virtio_elem *e, uint32_t written)
{
	struct virtq *q = e->q;
	struct virtio *v = q->v;
	bool stale = e->generation != v->generation;
	struct used_elem u;

	le32_put(&u.id, e->head);
	le32_put(&u.len, written);
	put_elem(e);
	v->out--;
	if (stale) {
		if (v->resetting && !v->out) {
			v->resetting = false;
			/* A driver that did not wait has filled its rings. */
			virtio_kick_all(v);
		}
		return;
	}
	q->out--;
	if (v->broken)
		return;
	if (!mem_write(v->mem, q->used + 4 +
	    8ull * (q->next_used % q->size), &u, sizeof(u))) {
		virtio_break(v);
		return;
	}
	q->next_used++;
	store(q, q->used + 2, q->next_used);
}

void virtq_notify(struct virtq *q)
{
	struct virtio *v = q->v;
	uint16_t word, before = q->told;

	if (v->broken || !q->ready || q->next_used == before)
		return;
	q->told = q->next_used;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (virtio_has(v, VIRTIO_F_EVENT_IDX)) {
		/* 2.7.7.2: did we pass the entry the driver named? */
		if (!load(q, q->avail + 4 + 2ull * q->size, &word) ||
		    (uint16_t)(q->next_used - word - 1) >=
		    (uint16_t)(q->next_used - before))
			return;
	} else if (!load(q, q->avail, &word) || word & AVAIL_NO_INTERRUPT) {
		return;
	}
	v->interrupt(v, q);
}

/* ---- buffers */

enum copy { COPY_READ, COPY_WRITE };

static uint64_t copy(struct virtio_elem *e, enum copy how, uint64_t off,
    uint8_t *buf, uint64_t n)
{
	unsigned i = how == COPY_READ ? 0 : e->outs;
	unsigned end = how == COPY_READ ? e->outs : e->outs + e->ins;
	struct mem *m = e->q->v->mem;
	uint64_t done = 0;

	for (; i < end && done < n; i++) {
		const struct virtio_seg *s = &e->seg[i];
		uint64_t len;

		if (off >= s->len) {
			off -= s->len;
			continue;
		}
		len = min64(s->len - off, n - done);
		if (s->gpa > UINT64_MAX - s->len || (how == COPY_READ ?
		    !mem_read(m, s->gpa + off, buf + done, len) :
		    !mem_write(m, s->gpa + off, buf + done, len)))
			break;
		done += len;
		off = 0;
	}
	return done;
}

uint64_t elem_read(struct virtio_elem *e, uint64_t off, void *buf, uint64_t n)
{
	return copy(e, COPY_READ, off, buf, n);
}

uint64_t elem_write(struct virtio_elem *e, uint64_t off, const void *buf,
    uint64_t n)
{
	return copy(e, COPY_WRITE, off, (uint8_t *)buf, n);
}

bool elem_iov(struct virtio_elem *e, bool in, uint64_t off, uint64_t len,
    struct iovec *iov, int *n, int max)
{
	unsigned i = in ? e->outs : 0, end = in ? e->outs + e->ins : e->outs;

	for (; i < end && len; i++) {
		const struct virtio_seg *s = &e->seg[i];
		uint64_t here;

		if (off >= s->len) {
			off -= s->len;
			continue;
		}
		here = min64(s->len - off, len);
		if (s->gpa > UINT64_MAX - s->len || !mem_iov(e->q->v->mem,
		    s->gpa + off, here, iov, n, max))
			return false;
		len -= here;
		off = 0;
	}
	return !len;
}

void elem_written(struct virtio_elem *e, uint64_t off, uint64_t len)
{
	for (unsigned i = e->outs; i < e->outs + e->ins && len; i++) {
		const struct virtio_seg *s = &e->seg[i];
		uint64_t here;

		if (off >= s->len) {
			off -= s->len;
			continue;
		}
		here = min64(s->len - off, len);
		mem_written(e->q->v->mem, s->gpa + off, here);
		len -= here;
		off = 0;
	}
}

/* ---- the device */

/* 2.1.2: the driver is told, and has to reset. */
void virtio_break(struct virtio *v)
{
	if (v->broken)
		return;
	v->broken = true;
	if (log_on(LOG_GUEST_ERRORS))
		log_line("%s: the driver broke the rules of its rings; the "
		    "device waits for a reset", v->name);
	if (!virtio_has(v, VIRTIO_F_VERSION_1))
		return;
	v->status |= VIRTIO_NEEDS_RESET;
	if (v->status & VIRTIO_DRIVER_OK)
		v->interrupt(v, NULL);
}

static void queue_reset(struct virtq *q)
{
	q->size = q->max;
	q->vector = VIRTIO_NO_VECTOR;
	q->ready = q->again = false;
	q->desc = q->avail = q->used = 0;
	q->next_avail = q->next_used = q->told = 0;
	q->out = 0;
}

void virtio_reset(struct virtio *v)
{
	v->generation++;
	v->status = 0;
	v->features = 0;
	v->broken = false;
	for (unsigned i = 0; i < v->queues; i++)
		queue_reset(&v->queue[i]);
	v->ops->reset(v);
	v->resetting = v->out != 0;
}

void virtio_set_features(struct virtio *v, uint64_t features)
{
	if (v->status & VIRTIO_FEATURES_OK)
		return;
	v->features = features;
}

void virtio_set_status(struct virtio *v, uint8_t status)
{
	uint8_t before = v->status;

	if (!status) {
		virtio_reset(v);
		return;
	}
	/* 3.1.1: features we do not have, or the old interface through the
	 * new registers, are not agreed to. */
	if (status & ~before & VIRTIO_FEATURES_OK &&
	    (v->features & ~v->offered || !virtio_has(v, VIRTIO_F_VERSION_1)))
		status &= ~VIRTIO_FEATURES_OK;
	v->status = status | (before & VIRTIO_NEEDS_RESET);
	if (status & ~before & VIRTIO_DRIVER_OK) {
		if (v->ops->started)
			v->ops->started(v);
		virtio_kick_all(v);
	}
}

void virtio_kick(struct virtio *v, unsigned n)
{
	if (n < v->queues && v->queue[n].ready && is_live(v))
		v->ops->run(v, &v->queue[n]);
}

void virtio_kick_all(struct virtio *v)
{
	for (unsigned i = 0; i < v->queues; i++)
		virtio_kick(v, i);
}

static void run_again(void *opaque)
{
	struct virtio *v = opaque;

	for (unsigned i = 0; i < v->queues; i++)
		if (v->queue[i].again) {
			v->queue[i].again = false;
			virtio_kick(v, i);
		}
}

void virtq_again(struct virtq *q)
{
	q->again = true;
	board_post(q->v->board, &q->v->work);
}

void virtq_legacy_place(struct virtq *q, uint64_t gpa)
{
	q->ready = gpa != 0;
	q->desc = gpa;
	q->avail = gpa + 16ull * q->size;
	q->used = align_up(q->avail + 4 + 2ull * q->size + 2, PAGE_SIZE);
	q->next_avail = q->next_used = q->told = 0;
}

int virtio_init(struct virtio *v, const struct virtio_ops *ops,
    struct board *board, struct mem *mem, unsigned queues,
    unsigned queue_size, struct error *err)
{
	if (!queues || queues > VIRTIO_QUEUES)
		return error_set(err, EINVAL, "%s: %u queues, 1 to %d can be",
		    v->name, queues, VIRTIO_QUEUES);
	if (queue_size < 2 || queue_size > VIRTQ_MAX || !is_pow2(queue_size))
		return error_set(err, EINVAL, "%s: queues have 2 to %d "
		    "entries, a power of two, not %u", v->name, VIRTQ_MAX,
		    queue_size);
	v->ops = ops;
	v->board = board;
	v->mem = mem;
	v->offered |= VIRTIO_F_ANY_LAYOUT | VIRTIO_F_INDIRECT |
	    VIRTIO_F_EVENT_IDX;
	v->work.fn = run_again;
	v->work.opaque = v;
	v->queue = calloc(queues, sizeof(*v->queue));
	if (!v->queue)
		return error_set(err, ENOMEM, "%s: no memory", v->name);
	v->queues = queues;
	for (unsigned i = 0; i < queues; i++) {
		struct virtq *q = &v->queue[i];

		q->v = v;
		q->n = i;
		q->max = queue_size;
		queue_reset(q);
	}
	return 0;
}

void virtio_fini(struct virtio *v)
{
	for (unsigned i = 0; i < v->queues; i++) {
		struct virtq *q = &v->queue[i];

		while (q->made) {
			struct virtio_elem *e = q->made;

			q->made = e->made;
			free(e);
		}
	}
	free(v->queue);
	v->queue = NULL;
	v->queues = 0;
}
