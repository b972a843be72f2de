/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_blk.c - a disk (VIRTIO 1.2, 5.2)
 *
 * A request is a chain: a header, data, a status byte.  The data goes between
 * the image and guest memory in place.  Many that end at once are told by one
 * interrupt a queue (disk_req.more).
 */
#include "dev/virtio_blk.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* 5.2.3 */
#define F_SEG_MAX	(1ull << 2)
#define F_GEOMETRY	(1ull << 4)
#define F_RO		(1ull << 5)
#define F_BLK_SIZE	(1ull << 6)
#define F_FLUSH		(1ull << 9)
#define F_TOPOLOGY	(1ull << 10)
#define F_CONFIG_WCE	(1ull << 11)
#define F_MQ		(1ull << 12)
#define F_DISCARD	(1ull << 13)
#define F_WRITE_ZEROES	(1ull << 14)

/* 5.2.4, offsets into the configuration */
enum { CAPACITY = 0, SEG_MAX = 12, CYLINDERS = 16, HEADS = 18, SECTORS = 19,
	BLK_SIZE = 20, PHYSICAL_EXP = 24, MIN_IO = 26, OPT_IO = 28,
	WRITEBACK = 32, NUM_QUEUES = 34, MAX_DISCARD = 36, MAX_DISCARD_SEG = 40,
	DISCARD_ALIGN = 44, MAX_ZEROES = 48, MAX_ZEROES_SEG = 52,
	ZEROES_UNMAP = 56, CONFIG_LEN = 60 };

/* 5.2.6 */
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11,
	T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum { SECTOR = 512, ID_LEN = 20, RANGE_SECTORS = 1 << 22, ZEROES_F_UNMAP = 1 };

struct header {
	le32 type, reserved;
	le64 sector;
};
_Static_assert(sizeof(struct header) == 16, "request header");

struct range {
	le64 sector;
	le32 sectors, flags;
};
_Static_assert(sizeof(struct range) == 16, "range of DISCARD, WRITE ZEROES");

enum { IOVS = 2 * VIRTQ_MAX };
enum { AT_ONCE = 8 };		/* a processor has more to do than to copy */

struct blk_req {
	struct virtio_elem e;	/* first */
	struct disk_req r;
	struct iovec iov[IOVS];
};

struct virtio_blk {
	struct virtio_pci p;	/* first */
	struct disk *disk;
	uint64_t block;		/* logical, bytes */
	char serial[ID_LEN + 1];
	uint64_t to_tell;	/* queues with something new, bit set */
	unsigned now;		/* reads that may yet be served at once */
};

static struct virtio_blk *of(struct virtio *v)
{
	return (struct virtio_blk *)((char *)v -
	    offsetof(struct virtio_blk, p.v));
}

/* ---- ends */

static void tell(struct virtio_blk *b)
{
	while (b->to_tell) {
		unsigned n = (unsigned)__builtin_ctzll(b->to_tell);

		b->to_tell &= b->to_tell - 1;
		virtq_notify(&b->p.v.queue[n]);
	}
}

/* data: in bytes before the status that are new. */
static void end(struct virtio_blk *b, struct blk_req *q, uint8_t status,
    uint32_t data)
{
	b->to_tell |= 1ull << q->e.q->n;
	if (q->e.generation == b->p.v.generation)
		elem_write(&q->e, q->e.in_len - 1, &status, 1);
	virtq_push(&q->e, data + 1);
}

static void done(struct disk_req *r)
{
	struct blk_req *q = r->opaque;
	struct virtio_blk *b = of(q->e.q->v);
	uint32_t data = r->op == DISK_READ ? (uint32_t)r->len : 0;
	bool more = r->more;

	if (data)
		elem_written(&q->e, 0, data);
	end(b, q, r->ret ? S_IOERR : S_OK, r->ret ? 0 : data);
	if (!more)
		tell(b);
}

/* ---- requests */

/* Without a cache to flush, or one that is switched off, a write is done when
 * it is on the medium (5.2.5.2). */
static bool write_through(const struct virtio_blk *b)
{
	const struct virtio *v = &b->p.v;

	if (virtio_has(v, F_CONFIG_WCE))
		return !v->config[WRITEBACK];
	return !virtio_has(v, F_FLUSH);
}

static void transfer(struct virtio_blk *b, struct blk_req *q, bool in,
    uint64_t sector)
{
	uint64_t len = in ? q->e.in_len - 1 :
	    q->e.out_len - sizeof(struct header);
	uint64_t off;
	int n = 0;

	if (!mul_ok(sector, SECTOR, &off) || len % b->block ||
	    off % b->block || len > UINT32_MAX - 1 ||
	    !range_ok(off, len, disk_size(b->disk)) ||
	    !elem_iov(&q->e, in, in ? 0 : sizeof(struct header), len, q->iov,
	    &n, IOVS)) {
		end(b, q, S_IOERR, 0);
		return;
	}
	q->r = (struct disk_req){ .op = in ? DISK_READ : DISK_WRITE,
	    .off = off, .len = len, .iov = q->iov, .iovcnt = n,
	    .fua = !in && write_through(b), .done = done, .opaque = q };
	if (b->now && disk_read_now(b->disk, &q->r)) {
		b->now--;
		elem_written(&q->e, 0, len);
		end(b, q, S_OK, (uint32_t)len);
		return;
	}
	disk_submit(b->disk, &q->r);
}

static void get_id(struct virtio_blk *b, struct blk_req *q)
{
	uint64_t n = min64(q->e.in_len - 1, ID_LEN);

	elem_write(&q->e, 0, b->serial, n);
	end(b, q, S_OK, (uint32_t)n);
}

static void range(struct virtio_blk *b, struct blk_req *q, uint32_t type)
{
	bool zero = type == T_WRITE_ZEROES;
	uint64_t off, len;
	struct range r;
	uint32_t flags;

	/* 5.2.6.2: what is too much or unknown is refused as such. */
	if (!(b->p.v.offered & (zero ? F_WRITE_ZEROES : F_DISCARD)) ||
	    q->e.out_len != sizeof(struct header) + sizeof(r)) {
		end(b, q, S_UNSUPP, 0);
		return;
	}
	if (elem_read(&q->e, sizeof(struct header), &r, sizeof(r)) !=
	    sizeof(r)) {
		end(b, q, S_IOERR, 0);
		return;
	}
	flags = le32_get(r.flags);
	if (flags & ~(zero ? ZEROES_F_UNMAP : 0)) {
		end(b, q, S_UNSUPP, 0);
		return;
	}
	len = (uint64_t)le32_get(r.sectors) * SECTOR;
	if (!mul_ok(le64_get(r.sector), SECTOR, &off) ||
	    !range_ok(off, len, disk_size(b->disk)) || off % b->block ||
	    len % b->block || le32_get(r.sectors) > RANGE_SECTORS) {
		end(b, q, S_IOERR, 0);
		return;
	}
	q->r = (struct disk_req){ .op = zero ? DISK_ZERO : DISK_DISCARD,
	    .off = off, .len = len, .may_unmap = flags & ZEROES_F_UNMAP,
	    .fua = zero && write_through(b), .done = done, .opaque = q };
	disk_submit(b->disk, &q->r);
}

static void start(struct virtio_blk *b, struct blk_req *q)
{
	struct header h;
	uint32_t type;

	if (elem_read(&q->e, 0, &h, sizeof(h)) != sizeof(h)) {
		end(b, q, S_IOERR, 0);
		return;
	}
	type = le32_get(h.type);
	switch (type) {
	case T_IN:
	case T_OUT:
		transfer(b, q, type == T_IN, le64_get(h.sector));
		return;
	case T_FLUSH:
		q->r = (struct disk_req){ .op = DISK_FLUSH, .done = done,
		    .opaque = q };
		disk_submit(b->disk, &q->r);
		return;
	case T_GET_ID:
		get_id(b, q);
		return;
	case T_DISCARD:
	case T_WRITE_ZEROES:
		range(b, q, type);
		return;
	}
	end(b, q, S_UNSUPP, 0);
}

static void run(struct virtio *v, struct virtq *vq)
{
	struct virtio_blk *b = of(v);
	struct virtio_elem *e = NULL;
	unsigned left = vq->size;

	b->now = AT_ONCE;
	while (left && (e = virtq_pop(vq))) {
		/* No place for a header or a status: no request at all. */
		if (e->out_len < sizeof(struct header) || !e->in_len) {
			virtio_break(v);
			virtq_push(e, 0);
			return;
		}
		left--;
		start(b, (struct blk_req *)e);
	}
	if (e)
		virtq_again(vq);
	tell(b);
}

static void reset(struct virtio *v)
{
	struct virtio_blk *b = of(v);

	/* The disk gives back what it is at work on. */
	b->to_tell = 0;
	v->config[WRITEBACK] = 1;
}

static const struct virtio_ops ops = {
	.id = 2,
	.queues = VIRTIO_QUEUES,
	.elem_size = sizeof(struct blk_req),
	.run = run,
	.reset = reset,
};

/* ---- the device */

static void put(struct virtio_blk *b, unsigned off, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		b->p.v.config[off + i] = v >> 8 * i;
}

static void fill_config(struct virtio_blk *b,
    const struct virtio_blk_config *c, unsigned physical)
{
	struct virtio *v = &b->p.v;
	uint64_t sectors = disk_size(b->disk) / SECTOR;

	v->config_len = CONFIG_LEN;
	put(b, CAPACITY, 8, sectors);
	put(b, SEG_MAX, 4, v->queue[0].max - 2);
	put(b, CYLINDERS, 2, c->cylinders ? c->cylinders :
	    min64(max64(sectors / (16 * 63), 2), 16383));
	put(b, HEADS, 1, c->heads ? c->heads : 16);
	put(b, SECTORS, 1, c->sectors ? c->sectors : 63);
	put(b, BLK_SIZE, 4, b->block);
	put(b, PHYSICAL_EXP, 1, log2_of(physical / b->block));
	put(b, MIN_IO, 2, physical / b->block);
	put(b, WRITEBACK, 1, 1);
	put(b, NUM_QUEUES, 2, v->queues);
	put(b, MAX_DISCARD, 4, RANGE_SECTORS - 1);
	put(b, MAX_DISCARD_SEG, 4, 1);
	put(b, DISCARD_ALIGN, 4, b->block / SECTOR);
	put(b, MAX_ZEROES, 4, RANGE_SECTORS - 1);
	put(b, MAX_ZEROES_SEG, 4, 1);
	put(b, ZEROES_UNMAP, 1, 1);

	v->offered |= F_SEG_MAX | F_GEOMETRY | F_BLK_SIZE | F_FLUSH |
	    F_TOPOLOGY;
	if (v->queues > 1)
		v->offered |= F_MQ;
	if (disk_read_only(b->disk)) {
		v->offered |= F_RO;
		return;
	}
	if (!c->no_config_wce) {
		v->offered |= F_CONFIG_WCE;
		v->config_writable[WRITEBACK] = 1;
	}
	if (!c->no_discard)
		v->offered |= F_DISCARD;
	if (!c->no_write_zeroes)
		v->offered |= F_WRITE_ZEROES;
}

static int check(struct virtio_blk *b, const struct virtio_blk_config *c,
    unsigned physical, struct error *err)
{
	if (c->serial && strlen(c->serial) > ID_LEN)
		return error_set(err, EINVAL, "%s: a serial number has at "
		    "most %d characters: '%s'", b->p.v.name, ID_LEN,
		    c->serial);
	if (!is_pow2(b->block) || b->block < SECTOR || b->block > 32768 ||
	    !is_pow2(physical) || physical < b->block || physical > 32768)
		return error_set(err, EINVAL, "%s: blocks of %u in %u bytes: "
		    "powers of two from 512 to 32768", b->p.v.name,
		    (unsigned)b->block, physical);
	if (c->heads > 255 || c->sectors > 255 || c->cylinders > 65535)
		return error_set(err, EINVAL, "%s: no disk has %u cylinders, "
		    "%u heads, %u sectors", b->p.v.name, c->cylinders,
		    c->heads, c->sectors);
	if (!disk_has_medium(b->disk))
		return error_set(err, ENOMEDIUM, "%s: needs a drive with an "
		    "image", b->p.v.name);
	return 0;
}

int virtio_blk_new(struct pci_bus *bus, struct board *board, struct mem *mem,
    const struct virtio_blk_config *c, struct error *err)
{
	struct virtio_blk *b = calloc(1, sizeof(*b));
	unsigned physical;
	int rc;

	if (!b)
		return error_set(err, ENOMEM, "no memory for a disk");
	b->p.v.name = "virtio-blk-pci";
	b->disk = c->disk;
	b->block = c->logical_block ? c->logical_block : SECTOR;
	physical = c->physical_block ? c->physical_block : (unsigned)b->block;
	rc = check(b, c, physical, err);
	if (!rc)
		rc = virtio_init(&b->p.v, &ops, board, mem,
		    c->queues ? c->queues : 1,
		    c->queue_size ? c->queue_size : 256, err);
	if (!rc) {
		if (c->serial)
			strcpy(b->serial, c->serial);
		fill_config(b, c, physical);
		rc = virtio_pci_init(&b->p, bus, &c->pci, 0x01, 0x00, err);
	}
	if (rc && !b->p.pci.bus) {
		virtio_fini(&b->p.v);
		free(b);
	}
	return rc;
}
