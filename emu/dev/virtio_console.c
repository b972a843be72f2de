/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_console.c - consoles and serial ports (VIRTIO 1.2, 5.3)
 *
 * Port 0 has queues 0 (to the guest) and 1 (from it), 2 and 3 carry control
 * messages, then come two for each further port.  What the guest is to be told
 * by control messages are flags of the port, sent when there is a buffer: they
 * need no memory however often the guest asks.
 *
 * A chain to the guest is taken when one is wanted and kept until bytes come;
 * a chain from it is kept until the host has taken all of it.
 */
#include "dev/virtio_console.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define F_MULTIPORT	(1ull << 1)
#define F_EMERG_WRITE	(1ull << 2)

/* 5.3.4 */
enum { MAX_PORTS = 4, EMERGENCY = 8, CONFIG_LEN = 12 };
enum { CONTROL_IN = 2, CONTROL_OUT = 3, QUEUE_SIZE = 128 };

/* 5.3.6.2 */
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, CONSOLE_PORT = 4,
	PORT_OPEN = 6, PORT_NAME = 7 };

struct control {
	le32 id;
	le16 event, value;
};
_Static_assert(sizeof(struct control) == 8, "control message");

enum { CHUNK = 4096, TURN = 64 * 1024 };

struct port {
	struct virtio_console *c;
	unsigned n;
	bool there, console;
	struct chardev *chr;
	char name[VIRTIO_CONSOLE_NAME + 1];
	bool host_open;
	bool ready;			/* the guest knows it */
	unsigned tell;			/* 1 << event, to be sent */
	struct virtio_elem *in, *out;	/* NULL: none taken */
	uint64_t out_done;
};

struct virtio_console {
	struct virtio_pci p;		/* first */
	unsigned ports;
	struct port port[VIRTIO_CONSOLE_PORTS];
};

static struct virtio_console *of(struct virtio *v)
{
	return (struct virtio_console *)((char *)v -
	    offsetof(struct virtio_console, p.v));
}

static struct virtq *queue(struct port *p, bool out)
{
	return &p->c->p.v.queue[(p->n ? 2 + 2 * p->n : 0) + out];
}

/* The port of a queue that is none of the control queues. */
static struct port *port_of(struct virtio_console *c, unsigned queue_n)
{
	unsigned n = queue_n < CONTROL_IN ? 0 : (queue_n - 2) / 2;

	return n < c->ports ? &c->port[n] : NULL;
}

/* ---- to the guest */

/* The buffer for what comes next. */
static struct virtio_elem *in_buffer(struct port *p)
{
	struct virtq *q = queue(p, false);

	while (!p->in && (p->in = virtq_pop(q)) && !p->in->in_len) {
		virtio_break(q->v);
		virtq_push(p->in, 0);
		p->in = NULL;
	}
	return p->in;
}

static bool is_live(struct port *p)
{
	struct virtio *v = &p->c->p.v;

	return v->status & VIRTIO_DRIVER_OK && !v->broken && !v->resetting;
}

static size_t room(void *opaque)
{
	struct port *p = opaque;

	if (!is_live(p) || !in_buffer(p))
		return 0;
	return min64(p->in->in_len, CHUNK);
}

static void received(void *opaque, const uint8_t *buf, size_t len)
{
	struct port *p = opaque;
	struct virtio_elem *e;

	while (len && is_live(p) && (e = in_buffer(p))) {
		uint64_t n = min64(len, e->in_len);

		p->in = NULL;
		elem_write(e, 0, buf, n);
		virtq_push(e, (uint32_t)n);
		buf += n;
		len -= n;
	}
	virtq_notify(queue(p, false));
}

/* ---- from the guest */

/* Gives the host what it takes of a chain; true: all of it. At most *turn. */
static bool drain(struct port *p, struct virtio_elem *e, uint64_t *turn)
{
	uint8_t buf[CHUNK];

	while (p->out_done < e->out_len && *turn) {
		uint64_t n = elem_read(e, p->out_done, buf,
		    min64(CHUNK, *turn));
		size_t took;

		if (!n)			/* not RAM: the rest is nothing */
			return true;
		took = p->chr ? chardev_write(p->chr, buf, n) : n;
		p->out_done += took;
		*turn -= took;
		if (took < n)
			return false;
	}
	return p->out_done >= e->out_len;
}

static void send_out(struct port *p)
{
	struct virtq *q = queue(p, true);
	uint64_t turn = TURN;
	unsigned left = q->size;

	while (left && (p->out || (p->out = virtq_pop(q)))) {
		struct virtio_elem *e = p->out;

		if (!drain(p, e, &turn)) {
			/* writable() goes on, or the next turn. */
			if (!turn)
				virtq_again(q);
			break;
		}
		p->out = NULL;
		p->out_done = 0;
		virtq_push(e, 0);
		left--;
	}
	if (!left)
		virtq_again(q);
	virtq_notify(q);
}

static void writable(void *opaque)
{
	struct port *p = opaque;

	if (is_live(p))
		send_out(p);
}

/* ---- control messages */

/* Sends one message if there is a buffer; false: there is none. */
static bool send_control(struct port *p, unsigned event, unsigned value,
    const char *text)
{
	struct virtq *q = &p->c->p.v.queue[CONTROL_IN];
	struct virtio_elem *e = virtq_pop(q);
	uint8_t b[sizeof(struct control) + VIRTIO_CONSOLE_NAME];
	size_t n = text ? strlen(text) : 0;
	struct control m;

	if (!e)
		return false;
	le32_put(&m.id, p->n);
	le16_put(&m.event, event);
	le16_put(&m.value, value);
	memcpy(b, &m, sizeof(m));
	if (n)
		memcpy(b + sizeof(m), text, n);
	virtq_push(e, (uint32_t)elem_write(e, 0, b, sizeof(m) + n));
	return true;
}

static void tell(struct virtio_console *c)
{
	struct virtq *q = &c->p.v.queue[CONTROL_IN];
	static const unsigned order[] = { PORT_ADD, CONSOLE_PORT, PORT_NAME,
	    PORT_OPEN };

	if (!virtio_has(&c->p.v, F_MULTIPORT))
		return;
	for (unsigned n = 0; n < c->ports; n++) {
		struct port *p = &c->port[n];

		for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
			unsigned event = order[i];

			if (!(p->tell & 1 << event))
				continue;
			if (!send_control(p, event, event == PORT_OPEN ?
			    p->host_open : 1,
			    event == PORT_NAME ? p->name : NULL))
				goto out;
			p->tell &= ~(1u << event);
		}
	}
out:
	virtq_notify(q);
}

static void control(struct virtio_console *c, const struct control *m)
{
	uint32_t id = le32_get(m->id);
	struct port *p = id < c->ports ? &c->port[id] : NULL;

	switch (le16_get(m->event)) {
	case DEVICE_READY:
		for (unsigned n = 0; n < c->ports && le16_get(m->value); n++)
			if (c->port[n].there)
				c->port[n].tell |= 1 << PORT_ADD;
		break;
	case PORT_READY:
		if (!p || !p->there || !le16_get(m->value))
			break;
		p->ready = true;
		if (p->console)
			p->tell |= 1 << CONSOLE_PORT;
		if (p->name[0])
			p->tell |= 1 << PORT_NAME;
		if (p->host_open)
			p->tell |= 1 << PORT_OPEN;
		break;
	case PORT_OPEN:			/* buffers say what it takes */
		break;
	}
}

static void control_out(struct virtio_console *c, struct virtq *q)
{
	struct virtio_elem *e;
	unsigned left = q->size;
	struct control m;

	for (; left && (e = virtq_pop(q)); left--) {
		if (elem_read(e, 0, &m, sizeof(m)) == sizeof(m))
			control(c, &m);
		virtq_push(e, 0);
	}
	if (!left)
		virtq_again(q);
	virtq_notify(q);
	tell(c);
}

static void connected(void *opaque, bool yes)
{
	struct port *p = opaque;

	if (p->host_open == yes)
		return;
	p->host_open = yes;
	if (!p->ready)
		return;
	p->tell |= 1 << PORT_OPEN;
	tell(p->c);
}

static const struct chardev_user user = {
	.room = room,
	.received = received,
	.writable = writable,
	.connected = connected,
};

/* ---- the device */

static void run(struct virtio *v, struct virtq *q)
{
	struct virtio_console *c = of(v);
	struct port *p;

	if (q->n == CONTROL_IN) {
		tell(c);
		return;
	}
	if (q->n == CONTROL_OUT) {
		control_out(c, q);
		return;
	}
	p = port_of(c, q->n);
	if (!p || !p->there)
		return;
	if (q->n & 1)
		send_out(p);
	else if (p->chr && !p->in && is_live(p))
		chardev_wake(p->chr);
}

static void reset(struct virtio *v)
{
	struct virtio_console *c = of(v);

	memset(v->config + EMERGENCY, 0, 4);
	for (unsigned n = 0; n < c->ports; n++) {
		struct port *p = &c->port[n];

		if (p->in)
			virtq_push(p->in, 0);
		if (p->out)
			virtq_push(p->out, 0);
		p->in = p->out = NULL;
		p->out_done = 0;
		p->tell = 0;
		p->ready = false;
	}
}

/* 5.3.4: the emergency write, a character before there are queues. */
static void config_written(struct virtio *v, unsigned off, unsigned n)
{
	struct port *p = &of(v)->port[0];

	if (off <= EMERGENCY && off + n > EMERGENCY && p->there && p->chr)
		chardev_write(p->chr, v->config + EMERGENCY, 1);
}

static void free_console(struct virtio_pci *vp)
{
	struct virtio_console *c = of(&vp->v);

	for (unsigned n = 0; n < c->ports; n++)
		if (c->port[n].there && c->port[n].chr)
			chardev_attach(c->port[n].chr, NULL, NULL);
	free(c);
}

static const struct virtio_ops ops = {
	.id = 3,
	.queues = 2 + 2 * VIRTIO_CONSOLE_PORTS,
	.elem_size = sizeof(struct virtio_elem),
	.run = run,
	.reset = reset,
	.config_written = config_written,
};

static int take_ports(struct virtio_console *c,
    const struct virtio_console_config *config, struct error *err)
{
	for (unsigned n = 0; n < c->ports; n++) {
		c->port[n].c = c;
		c->port[n].n = n;
	}
	for (unsigned n = 0; n < config->n; n++) {
		const struct virtio_port_config *from = &config->ports[n];
		struct port *p = &c->port[n];

		if (from->name && strlen(from->name) > VIRTIO_CONSOLE_NAME)
			return error_set(err, EINVAL, "%s: a port's name has "
			    "at most %d characters: '%s'", c->p.v.name,
			    VIRTIO_CONSOLE_NAME, from->name);
		p->console = from->console;
		p->chr = from->chr;
		p->there = from->console || from->chr || from->name;
		/* What is always open, or a socket that says so itself. */
		p->host_open = p->there && !p->chr;
		if (from->name)
			strcpy(p->name, from->name);
	}
	return 0;
}

int virtio_console_new(struct pci_bus *bus, struct board *board,
    struct mem *mem, const struct virtio_console_config *config,
    struct error *err)
{
	struct virtio_console *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return error_set(err, ENOMEM, "no memory for "
		    "virtio-serial-pci");
	c->p.v.name = "virtio-serial-pci";
	c->p.free = free_console;
	c->ports = config->max_ports ? config->max_ports :
	    VIRTIO_CONSOLE_PORTS;
	if (c->ports > VIRTIO_CONSOLE_PORTS || config->n > c->ports) {
		rc = error_set(err, EINVAL, "%s: %u ports of %u, at most %d",
		    c->p.v.name, config->n, c->ports, VIRTIO_CONSOLE_PORTS);
		goto fail;
	}
	rc = take_ports(c, config, err);
	if (!rc)
		rc = virtio_init(&c->p.v, &ops, board, mem,
		    2 + 2 * c->ports, QUEUE_SIZE, err);
	if (rc)
		goto fail;
	c->p.v.offered |= F_MULTIPORT | F_EMERG_WRITE;
	c->p.v.config_len = CONFIG_LEN;
	c->p.v.config[MAX_PORTS] = c->ports;
	memset(c->p.v.config_writable + EMERGENCY, 1, 4);
	rc = virtio_pci_init(&c->p, bus, &config->pci, 0x07, 0x80, err);
	if (rc)
		goto fail;
	for (unsigned n = 0; n < c->ports; n++)
		if (c->port[n].there && c->port[n].chr)
			chardev_attach(c->port[n].chr, &user, &c->port[n]);
	return 0;
fail:
	if (!c->p.pci.bus) {
		virtio_fini(&c->p.v);
		free(c);
	}
	return rc;
}
