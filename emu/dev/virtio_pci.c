/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_pci.c - virtio over PCI (VIRTIO 1.2, 4.1)
 *
 * A kick is a write to one register, whose value or place says which queue.
 * An engine that can turn such a write into an event (KVM's ioeventfd) hooks
 * in at notify_write() and legacy_write(): the event's descriptor becomes a
 * board_fd that calls virtio_kick(), for BAR 4 + NOTIFY + 4 * queue, any
 * value, and BAR 0 + 16 with the queue's number as value.  BARs move:
 * pci_dev.bar[].at says where they are.
 */
#include "dev/virtio_pci.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dev/pci_regs.h"

enum { LEGACY_BAR = 0, MSIX_BAR = 1, MODERN_BAR = 4 };
/* Places in the modern BAR, a page each. */
enum { COMMON = 0x0000, ISR = 0x1000, DEVICE = 0x2000, NOTIFY = 0x3000,
	MODERN_SIZE = 0x4000, NOTIFY_STEP = 4 };
/* 4.1.4: capabilities. */
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12,
	CAP_MORE = 16 };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

static struct virtio_pci *of(struct virtio *v)
{
	return (struct virtio_pci *)((char *)v - offsetof(struct virtio_pci, v));
}

/* ---- interrupts, 4.1.4.5 and 4.1.5.1 */

static void interrupt(struct virtio *v, struct virtq *q)
{
	struct virtio_pci *p = of(v);
	unsigned vector = q ? q->vector : p->config_vector;

	if (pci_msix_on(&p->pci)) {
		if (vector != VIRTIO_NO_VECTOR)
			pci_msix_send(&p->pci, vector);
		return;
	}
	p->isr |= q ? ISR_QUEUE : ISR_CONFIG;
	pci_set_intx(&p->pci, true);
}

static uint8_t isr_read(struct virtio_pci *p)
{
	uint8_t v = p->isr;

	p->isr = 0;
	pci_set_intx(&p->pci, false);
	return v;
}

static bool may_dma(struct virtio *v)
{
	return pci_may_dma(&of(v)->pci);
}

static uint16_t vector_of(const struct virtio_pci *p, uint64_t v)
{
	return v < p->pci.msix_n ? (uint16_t)v : VIRTIO_NO_VECTOR;
}

/* ---- what both interfaces share */

static struct virtq *selected(struct virtio_pci *p)
{
	return p->selected < p->v.queues ? &p->v.queue[p->selected] : NULL;
}

static void reset_registers(struct virtio_pci *p)
{
	p->isr = 0;
	p->config_vector = VIRTIO_NO_VECTOR;
	p->selected = 0;
	p->features_selected = p->driver_features_selected = 0;
	p->driver_features = 0;
	pci_set_intx(&p->pci, false);
}

static void set_status(struct virtio_pci *p, uint8_t status)
{
	if (!status) {
		p->status_before = p->v.status;
		reset_registers(p);
	}
	virtio_set_status(&p->v, status);
}

static uint32_t config_read(struct virtio *v, uint64_t off, unsigned size)
{
	uint32_t r = 0;

	for (unsigned i = 0; i < size; i++)
		if (off + i < v->config_len)
			r |= (uint32_t)v->config[off + i] << 8 * i;
	return r;
}

static void config_write(struct virtio *v, uint64_t off, unsigned size,
    uint32_t value)
{
	bool changed = false;

	for (unsigned i = 0; i < size; i++)
		if (off + i < v->config_len && v->config_writable[off + i]) {
			v->config[off + i] = value >> 8 * i;
			changed = true;
		}
	if (changed && v->ops->config_written)
		v->ops->config_written(v, (unsigned)off, size);
}

/* ---- the old interface, 4.1.4.10 */

enum { OLD_FEATURES = 0, OLD_DRIVER_FEATURES = 4, OLD_QUEUE_PFN = 8,
	OLD_QUEUE_SIZE = 12, OLD_QUEUE_SELECT = 14, OLD_NOTIFY = 16,
	OLD_STATUS = 18, OLD_ISR = 19, OLD_CONFIG_VECTOR = 20,
	OLD_QUEUE_VECTOR = 22 };

static unsigned old_header(const struct virtio_pci *p)
{
	return pci_msix_on(&p->pci) ? 24 : 20;
}

static uint64_t legacy_read(void *opaque, uint64_t off, unsigned size)
{
	struct virtio_pci *p = opaque;
	struct virtq *q = selected(p);

	if (off >= old_header(p))
		return config_read(&p->v, off - old_header(p), size);
	switch (off) {
	case OLD_FEATURES:
		return p->v.offered & 0xffffffff;
	case OLD_DRIVER_FEATURES:
		return p->v.features & 0xffffffff;
	case OLD_QUEUE_PFN:
		return q && q->ready ? q->desc >> PAGE_BITS : 0;
	case OLD_QUEUE_SIZE:
		return q ? q->max : 0;
	case OLD_QUEUE_SELECT:
		return p->selected;
	case OLD_STATUS:
		return p->v.status;
	case OLD_ISR:
		return isr_read(p);
	case OLD_CONFIG_VECTOR:
		return p->config_vector;
	case OLD_QUEUE_VECTOR:
		return q ? q->vector : VIRTIO_NO_VECTOR;
	}
	return 0;
}

static void legacy_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	struct virtio_pci *p = opaque;
	struct virtq *q = selected(p);

	if (off >= old_header(p)) {
		config_write(&p->v, off - old_header(p), size, (uint32_t)v);
		return;
	}
	switch (off) {
	case OLD_DRIVER_FEATURES:
		virtio_set_features(&p->v, v & p->v.offered & 0xffffffff);
		break;
	case OLD_QUEUE_PFN:
		if (q)
			virtq_legacy_place(q, (v & 0xffffffff) << PAGE_BITS);
		break;
	case OLD_QUEUE_SELECT:
		p->selected = v;
		break;
	case OLD_NOTIFY:
		virtio_kick(&p->v, v & 0xffff);
		break;
	case OLD_STATUS:
		set_status(p, v);
		break;
	case OLD_CONFIG_VECTOR:
		p->config_vector = vector_of(p, v & 0xffff);
		break;
	case OLD_QUEUE_VECTOR:
		if (q)
			q->vector = vector_of(p, v & 0xffff);
		break;
	}
}

static const struct io_ops legacy_ops = { legacy_read, legacy_write, 1, 4 };

/* ---- the interface of version 1: common configuration, 4.1.4.3 */

enum { DEVICE_FEATURES_SELECT = 0, DEVICE_FEATURES = 4,
	DRIVER_FEATURES_SELECT = 8, DRIVER_FEATURES = 12, CONFIG_VECTOR = 16,
	QUEUES = 18, STATUS = 20, GENERATION = 21, QUEUE_SELECT = 22,
	QUEUE_SIZE = 24, QUEUE_VECTOR = 26, QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30, QUEUE_DESC = 32, QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48, COMMON_LEN = 56 };

static uint32_t half_of(uint64_t v, unsigned which)
{
	return which > 1 ? 0 : v >> 32 * which & 0xffffffff;
}

static uint32_t queue_read(const struct virtq *q, uint64_t off)
{
	switch (off) {
	case QUEUE_SIZE:
		return q->size;
	case QUEUE_VECTOR:
		return q->vector;
	case QUEUE_ENABLE:
		return q->ready;
	case QUEUE_NOTIFY_OFF:
		return q->n;
	case QUEUE_DESC: case QUEUE_DESC + 4:
		return half_of(q->desc, off == QUEUE_DESC + 4);
	case QUEUE_DRIVER: case QUEUE_DRIVER + 4:
		return half_of(q->avail, off == QUEUE_DRIVER + 4);
	case QUEUE_DEVICE: case QUEUE_DEVICE + 4:
		return half_of(q->used, off == QUEUE_DEVICE + 4);
	}
	return 0;
}

static uint32_t common_read(struct virtio_pci *p, uint64_t off)
{
	struct virtq *q = selected(p);

	switch (off) {
	case DEVICE_FEATURES_SELECT:
		return p->features_selected;
	case DEVICE_FEATURES:
		return half_of(p->v.offered, p->features_selected);
	case DRIVER_FEATURES_SELECT:
		return p->driver_features_selected;
	case DRIVER_FEATURES:
		return half_of(p->driver_features,
		    p->driver_features_selected);
	case CONFIG_VECTOR:
		return p->config_vector;
	case QUEUES:
		return p->v.queues;
	case STATUS:
		/* Zero is for when the reset is over. */
		return p->v.resetting && !p->v.status ?
		    p->status_before : p->v.status;
	case GENERATION:
		return 0;	/* the configuration never changes */
	case QUEUE_SELECT:
		return p->selected;
	}
	return q ? queue_read(q, off) : 0;
}

static void put_half(uint64_t *v, bool high, uint32_t half)
{
	*v = high ? (*v & 0xffffffff) | (uint64_t)half << 32 :
	    (*v & ~0xffffffffull) | half;
}

/* 4.1.4.3.2, 2.7: a size and places that are none break the device. */
static void enable(struct virtio_pci *p, struct virtq *q)
{
	q->next_avail = q->next_used = q->told = 0;
	q->ready = true;
	if (q->desc & 15 || q->avail & 1 || q->used & 3 ||
	    q->desc >> MEM_BITS || q->avail >> MEM_BITS ||
	    q->used >> MEM_BITS)
		virtio_break(&p->v);
}

static void queue_write(struct virtio_pci *p, struct virtq *q, uint64_t off,
    uint32_t v)
{
	if (off == QUEUE_VECTOR) {
		q->vector = vector_of(p, v & 0xffff);
		return;
	}
	/* What is in use stays as it is. */
	if (q->ready)
		return;
	switch (off) {
	case QUEUE_SIZE:
		v &= 0xffff;
		if (is_pow2(v) && v <= q->max)
			q->size = v;
		else
			virtio_break(&p->v);
		break;
	case QUEUE_ENABLE:
		if (v & 1)
			enable(p, q);
		break;
	case QUEUE_DESC: case QUEUE_DESC + 4:
		put_half(&q->desc, off == QUEUE_DESC + 4, v);
		break;
	case QUEUE_DRIVER: case QUEUE_DRIVER + 4:
		put_half(&q->avail, off == QUEUE_DRIVER + 4, v);
		break;
	case QUEUE_DEVICE: case QUEUE_DEVICE + 4:
		put_half(&q->used, off == QUEUE_DEVICE + 4, v);
		break;
	}
}

static void common_write(struct virtio_pci *p, uint64_t off, uint32_t v)
{
	struct virtq *q = selected(p);

	switch (off) {
	case DEVICE_FEATURES_SELECT:
		p->features_selected = v;
		return;
	case DRIVER_FEATURES_SELECT:
		p->driver_features_selected = v;
		return;
	case DRIVER_FEATURES:
		if (p->driver_features_selected > 1)
			return;
		put_half(&p->driver_features, p->driver_features_selected, v);
		virtio_set_features(&p->v, p->driver_features);
		return;
	case CONFIG_VECTOR:
		p->config_vector = vector_of(p, v & 0xffff);
		return;
	case STATUS:
		set_status(p, v);
		return;
	case QUEUE_SELECT:
		p->selected = v;
		return;
	}
	if (q)
		queue_write(p, q, off, v);
}

static uint64_t modern_read(void *opaque, uint64_t off, unsigned size)
{
	struct virtio_pci *p = opaque;

	if (off >= NOTIFY)
		return 0;
	if (off >= DEVICE)
		return config_read(&p->v, off - DEVICE, size);
	if (off >= ISR)
		return off == ISR ? isr_read(p) : 0;
	return common_read(p, off);
}

static void modern_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	struct virtio_pci *p = opaque;

	if (off >= NOTIFY)
		virtio_kick(&p->v, (unsigned)(off - NOTIFY) / NOTIFY_STEP);
	else if (off >= DEVICE)
		config_write(&p->v, off - DEVICE, size, (uint32_t)v);
	else if (off < ISR)
		common_write(p, off, (uint32_t)v);
}

static const struct io_ops modern_ops = { modern_read, modern_write, 1, 4 };

/* ---- access through configuration space, 4.1.4.9 */

static bool window(const struct virtio_pci *p, uint32_t *off, uint32_t *len)
{
	const uint8_t *c = p->pci.config + p->pci_cfg;

	*off = le32_get(*(const le32 *)(c + CAP_OFFSET));
	*len = le32_get(*(const le32 *)(c + CAP_LENGTH));
	return c[CAP_BAR] == MODERN_BAR &&
	    (*len == 1 || *len == 2 || *len == 4) && !(*off % *len) &&
	    range_ok(*off, *len, MODERN_SIZE);
}

static bool touches_window(const struct virtio_pci *p, unsigned off, unsigned n)
{
	unsigned at = p->pci_cfg + CAP_MORE;

	return p->pci_cfg && off < at + 4 && off + n > at;
}

static void config_reading(struct pci_dev *d, unsigned off, unsigned n)
{
	struct virtio_pci *p = (struct virtio_pci *)d;
	uint32_t at, len;

	if (touches_window(p, off, n) && window(p, &at, &len))
		le32_put((le32 *)(d->config + p->pci_cfg + CAP_MORE),
		    (uint32_t)modern_read(p, at, len));
}

static void config_written(struct pci_dev *d, unsigned off, unsigned n)
{
	struct virtio_pci *p = (struct virtio_pci *)d;
	uint32_t at, len, v;

	if (touches_window(p, off, n) && window(p, &at, &len)) {
		v = le32_get(*(le32 *)(d->config + p->pci_cfg + CAP_MORE));
		modern_write(p, at, len,
		    len == 4 ? v : v & ((1u << 8 * len) - 1));
	}
	/* What was kicked before bus mastering was allowed. */
	if (off <= PCI_COMMAND && off + n > PCI_COMMAND && pci_may_dma(d))
		virtio_kick_all(&p->v);
}

static uint8_t *add_cap(struct virtio_pci *p, uint8_t type, uint32_t off,
    uint32_t len, unsigned size)
{
	unsigned at = pci_add_cap(&p->pci, PCI_CAP_VENDOR, size);
	uint8_t *c = p->pci.config + at;

	if (!at)
		return NULL;
	c[2] = size;
	c[CAP_TYPE] = type;
	c[CAP_BAR] = type == CAP_PCI ? 0 : MODERN_BAR;
	le32_put((le32 *)(c + CAP_OFFSET), off);
	le32_put((le32 *)(c + CAP_LENGTH), len);
	return c;
}

static int add_caps(struct virtio_pci *p, struct error *err)
{
	uint8_t *notify, *cfg, *w;

	notify = add_cap(p, CAP_NOTIFY, NOTIFY, NOTIFY_STEP * p->v.queues,
	    CAP_MORE + 4);
	cfg = add_cap(p, CAP_PCI, 0, 0, CAP_MORE + 4);
	if (!notify || !cfg ||
	    !add_cap(p, CAP_DEVICE, DEVICE, p->v.config_len ?
	    p->v.config_len : 4, CAP_MORE) ||
	    !add_cap(p, CAP_ISR, ISR, 1, CAP_MORE) ||
	    !add_cap(p, CAP_COMMON, COMMON, COMMON_LEN, CAP_MORE))
		return error_set(err, ENOSPC, "%s: no room for capabilities",
		    p->v.name);
	le32_put((le32 *)(notify + CAP_MORE), NOTIFY_STEP);
	p->pci_cfg = (unsigned)(cfg - p->pci.config);
	w = p->pci.writable + p->pci_cfg;
	w[CAP_BAR] = 0xff;
	memset(w + CAP_OFFSET, 0xff, 12);
	return 0;
}

/* ---- the function */

static void reset(struct pci_dev *d)
{
	struct virtio_pci *p = (struct virtio_pci *)d;

	reset_registers(p);
	virtio_reset(&p->v);
}

static void free_dev(struct pci_dev *d)
{
	struct virtio_pci *p = (struct virtio_pci *)d;

	virtio_fini(&p->v);
	if (p->free)
		p->free(p);
	else
		free(p);
}

int virtio_pci_init(struct virtio_pci *p, struct pci_bus *bus,
    const struct virtio_pci_config *c, uint8_t class_code, uint8_t subclass,
    struct error *err)
{
	struct virtio *v = &p->v;
	struct pci_id id = { .vendor = 0x1af4, .class_code = class_code,
	    .subclass = subclass, .pin = 1, .subvendor = 0x1af4 };
	/* 4.1.2.1: numbers of transitional devices, by device type. */
	static const uint16_t old[] = { 0, 0x1000, 0x1001, 0x1003, 0x1005,
	    0x1002, 0, 0, 0x1004, 0x1009 };
	unsigned old_size = 32, type = v->ops->id;
	int rc;

	p->legacy = !c->disable_legacy && type < ARRAY_LEN(old) && old[type];
	p->modern = !c->disable_modern;
	if (!p->legacy && !p->modern)
		return error_set(err, EINVAL, "%s: neither the old interface "
		    "nor that of version 1 is left", v->name);
	id.device = p->legacy ? old[type] : 0x1040 + type;
	id.revision = p->legacy ? 0 : 1;
	id.subdevice = p->legacy ? type : 0x1100;
	if (p->modern)
		v->offered |= VIRTIO_F_VERSION_1;
	v->interrupt = interrupt;
	v->may_dma = may_dma;
	p->pci.name = v->name;
	p->pci.id = c->id;
	p->pci.config_reading = config_reading;
	p->pci.config_written = config_written;
	p->pci.reset = reset;
	p->pci.free = free_dev;
	while (old_size < 24 + v->config_len)
		old_size *= 2;
	if (p->legacy)
		p->pci.bar[LEGACY_BAR] = (struct pci_bar){ .size = old_size,
		    .io = true, .ops = &legacy_ops };
	if (p->modern)
		p->pci.bar[MODERN_BAR] = (struct pci_bar){ .size = MODERN_SIZE,
		    .wide = true, .prefetch = true, .ops = &modern_ops };
	reset_registers(p);
	rc = pci_init(&p->pci, bus, &id, c->slot, 0, err);
	if (rc)
		return rc;
	/* From here on the bus owns it; what fails leaves it without. */
	if (p->modern && (rc = add_caps(p, err)))
		return rc;
	if (!c->no_msix)
		rc = pci_add_msix(&p->pci, c->vectors ? c->vectors :
		    v->queues + 1, MSIX_BAR, 0, err);
	return rc;
}
