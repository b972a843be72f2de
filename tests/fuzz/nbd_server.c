/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_server.c - any bytes as a client's side of a whole session
 *
 * The first byte of the input chooses the export: bit 0 a qcow2 image with a
 * bitmap and a backing image instead of a raw one, bit 1 read-only, bit 2 with
 * a description, bit 3 a window of the image.  The rest is sent as it is, then
 * the sending side is closed; what the server says is read and forgotten.  It
 * must end by itself.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../nbd/nbd.h"
#include "qcow2/disk.h"
#include "support/bitmap.h"
#include "support/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE = 1 << 20, WINDOW = 4096 };

struct run {
	struct server server;
	int fd;
};

static struct error err;
static struct store *raw, *qcow2;

static void must(int rc)
{
	if (rc)
		abort();
}

/* Made once; each input works on clones. */
static void make_images(void)
{
	static const struct bitmap_made made = { .name = "b",
	    .granularity_bits = 16, .flags = BITMAP_AUTO };
	static char data[70000];
	struct open_args a = { .format = "qcow2", .writable = true };
	struct image *img;

	memset(data, 'd', sizeof(data));
	raw = memory_open(SIZE, &err);
	qcow2 = memory_open(0, &err);
	must(!raw || !qcow2);
	must(store_pwrite(raw, data, sizeof(data), 5000, EVENT_DATA, &err));
	must(image_make(qcow2, "qcow2", SIZE, "cluster_size=4k", NULL, false,
	    &err));
	must(store_bitmaps(qcow2, &made, 1, &err));
	img = image_in(store_lend(qcow2, &err), &a, NULL, &err);
	must(!img);
	must(image_write(img, data, sizeof(data), 100000, 0, &err));
	must(image_write(img, data, 4096, 8192, IO_PACK, &err));
	must(image_zero(img, 300000, 50000, 0, &err));
	must(image_close(img, &err));
}

static struct image *open_clone(bool q, bool writable)
{
	struct open_args a = { .format = q ? "qcow2" : "raw",
	    .writable = writable, .unmap = true };
	struct store *s = memory_clone(q ? qcow2 : raw, &err);
	struct image *img = s ? image_in(s, &a, NULL, &err) : NULL;

	must(!img);
	return img;
}

static void *serve_it(void *arg)
{
	struct run *r = arg;

	session_run(&r->server, r->fd);
	shutdown(r->fd, SHUT_RDWR);
	return NULL;
}

/* Sends all there is while reading what comes, until both ends are quiet. */
static void talk(int fd, const uint8_t *data, size_t size)
{
	static char buf[65536];
	bool sending = true;
	ssize_t n;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN |
		    (sending ? POLLOUT : 0) };

		poll(&p, 1, -1);
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
			if (n == 0 || (n < 0 && errno != EAGAIN))
				return;
		}
		if (!sending || !(p.revents & POLLOUT))
			continue;
		n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		if (!size || (n < 0 && errno != EAGAIN)) {
			shutdown(fd, SHUT_WR);
			sending = false;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = size ? *data : 0;
	struct export_bitmap map = { .name = (char *)"b" };
	struct export e = { .name = (char *)"e", .size = SIZE,
	    .read_only = how & 2, .allocation_depth = true,
	    .multi_conn = true };
	struct run r = { .server = { .exports = &e, .export_count = 1 } };
	pthread_t thread;
	int fd[2];

	if (!size)
		return 0;
	if (!raw)
		make_images();
	e.image = open_clone(how & 1, !(how & 2));
	if (how & 1) {
		must(image_bitmap_open(e.image, "b", &map.map, &err));
		e.bitmaps = &map;
		e.bitmap_count = 1;
	}
	if (how & 4)
		e.description = (char *)"described";
	if (how & 8) {
		e.off = WINDOW;
		e.size = SIZE - 2 * WINDOW;
	}
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	r.fd = fd[0];
	must(pthread_create(&thread, NULL, serve_it, &r));
	talk(fd[1], data + 1, size - 1);
	pthread_join(thread, NULL);
	close(fd[0]);
	close(fd[1]);
	image_bitmap_close(map.map);
	image_close(e.image, &err);
	return 0;
}
