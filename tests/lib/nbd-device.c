/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd-device.c - what the kernel's nbd driver is asked, told by a fake of it
 *
 * The fake sits at the other end of a pair of sockets that keep messages
 * apart, as netlink does, and answers as linux/drivers/block/nbd.c would.
 */
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../nbd/device.h"
#include "support/unit.h"

enum { FAMILY = 27 };

struct kernel {
	int nl;
	int no_driver, refuses;		/* errno, or 0 */
	/* What was asked for. */
	int command;
	uint32_t index;
	uint64_t size, block, flags;
	int fds[4];
	unsigned fd_count, strange;
	pthread_t thread;
};

typedef void (*each)(struct kernel *, unsigned type, const void *, size_t);

static void walk(struct kernel *k, const void *at, size_t left, each f)
{
	while (left >= NLA_HDRLEN) {
		const struct nlattr *a = at;
		const size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > left) {
			k->strange++;
			return;
		}
		f(k, a->nla_type & NLA_TYPE_MASK, (const char *)at +
		    NLA_HDRLEN, a->nla_len - NLA_HDRLEN);
		if (step >= left)
			return;
		at = (const char *)at + step;
		left -= step;
	}
}

static void on_socket(struct kernel *k, unsigned type, const void *v, size_t n)
{
	if (type == NBD_SOCK_FD && n == 4 && k->fd_count < 4)
		memcpy(&k->fds[k->fd_count++], v, 4);
	else
		k->strange++;
}

static void on_item(struct kernel *k, unsigned type, const void *v, size_t n)
{
	if (type == NBD_SOCK_ITEM)
		walk(k, v, n, on_socket);
	else
		k->strange++;
}

static void on_attribute(struct kernel *k, unsigned type, const void *v,
    size_t n)
{
	if (type == NBD_ATTR_INDEX && n == 4)
		memcpy(&k->index, v, 4);
	else if (type == NBD_ATTR_SIZE_BYTES && n == 8)
		memcpy(&k->size, v, 8);
	else if (type == NBD_ATTR_BLOCK_SIZE_BYTES && n == 8)
		memcpy(&k->block, v, 8);
	else if (type == NBD_ATTR_SERVER_FLAGS && n == 8)
		memcpy(&k->flags, v, 8);
	else if (type == NBD_ATTR_SOCKETS)
		walk(k, v, n, on_item);
	else
		k->strange++;
}

static void acknowledge(struct kernel *k, const struct nlmsghdr *asked,
    int error)
{
	struct { struct nlmsghdr h; struct nlmsgerr e; } m = {
		.h = { .nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_ERROR },
		.e = { .error = -error, .msg = *asked },
	};

	if (send(k->nl, &m, sizeof(m), 0) != sizeof(m))
		k->strange++;
}

/* A driver of another version may say more than we know. */
static void tell_family(struct kernel *k)
{
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
		struct nlattr version;
		uint32_t version_value;
		struct nlattr id;
		uint16_t value, pad;
	} m = {
		.h = { .nlmsg_len = sizeof(m), .nlmsg_type = GENL_ID_CTRL },
		.g = { .cmd = CTRL_CMD_NEWFAMILY },
		.version = { 8, CTRL_ATTR_VERSION }, .version_value = 1,
		.id = { 6, CTRL_ATTR_FAMILY_ID }, .value = FAMILY,
	};

	if (send(k->nl, &m, sizeof(m), 0) != sizeof(m))
		k->strange++;
}

static void *kernel_main(void *arg)
{
	struct kernel *k = arg;
	union { struct nlmsghdr h; char bytes[4096]; } in;
	const struct genlmsghdr *g = NLMSG_DATA(&in.h);
	ssize_t n;

	while ((n = recv(k->nl, &in, sizeof(in), 0)) > 0) {
		const int want = NLM_F_REQUEST | NLM_F_ACK;

		if (in.h.nlmsg_len != (size_t)n ||
		    (in.h.nlmsg_flags & want) != want)
			k->strange++;
		if (in.h.nlmsg_type == GENL_ID_CTRL) {
			if (g->cmd != CTRL_CMD_GETFAMILY ||
			    !memmem(&in, (size_t)n, "nbd", 4))
				k->strange++;
			if (!k->no_driver)
				tell_family(k);
			acknowledge(k, &in.h, k->no_driver);
			continue;
		}
		if (in.h.nlmsg_type != FAMILY)
			k->strange++;
		k->command = g->cmd;
		walk(k, (const char *)&in + NLMSG_LENGTH(GENL_HDRLEN),
		    (size_t)n - NLMSG_LENGTH(GENL_HDRLEN), on_attribute);
		acknowledge(k, &in.h, k->refuses);
	}
	return NULL;
}

/* Returns our end. */
static int boot(struct kernel *k)
{
	int pair[2];

	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	k->nl = pair[1];
	CU_ASSERT_FATAL(!pthread_create(&k->thread, NULL, kernel_main, k));
	return pair[0];
}

static void halt(struct kernel *k, int nl)
{
	close(nl);
	pthread_join(k->thread, NULL);
	close(k->nl);
	CU_ASSERT_EQUAL(k->strange, 0);
}

static void a_device_gets_its_size_and_its_socket(void)
{
	struct kernel k = { 0 };
	const struct device d = { .index = 3, .size = 5 * 1000 * 512,
	    .flags = 0x16d, .fd = 41 };
	struct error err;
	const int nl = boot(&k);

	CU_ASSERT_EQUAL(device_attach(nl, &d, &err), 0);
	halt(&k, nl);
	CU_ASSERT_EQUAL(k.command, NBD_CMD_CONNECT);
	CU_ASSERT_EQUAL(k.index, 3);
	CU_ASSERT_EQUAL(k.size, d.size);
	CU_ASSERT_EQUAL(k.block, 512);
	CU_ASSERT_EQUAL(k.flags, 0x16d);
	CU_ASSERT_EQUAL(k.fd_count, 1);
	CU_ASSERT_EQUAL(k.fds[0], 41);
}

static void a_device_is_disconnected_by_its_number(void)
{
	struct kernel k = { .index = 99 };
	struct error err;
	const int nl = boot(&k);

	CU_ASSERT_EQUAL(device_detach(nl, 7, &err), 0);
	halt(&k, nl);
	CU_ASSERT_EQUAL(k.command, NBD_CMD_DISCONNECT);
	CU_ASSERT_EQUAL(k.index, 7);
	CU_ASSERT_EQUAL(k.fd_count, 0);
}

static void a_kernel_without_the_driver_is_told(void)
{
	struct kernel k = { .no_driver = ENOENT };
	const struct device d = { .index = 0, .size = 512 };
	struct error err;
	const int nl = boot(&k);

	CU_ASSERT_EQUAL(device_attach(nl, &d, &err), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "modprobe nbd"));
	halt(&k, nl);
	CU_ASSERT_EQUAL(k.command, 0);
}

static void a_device_in_use_is_told(void)
{
	struct kernel k = { .refuses = EBUSY };
	const struct device d = { .index = 0, .size = 512 };
	struct error err;
	const int nl = boot(&k);

	CU_ASSERT_EQUAL(device_attach(nl, &d, &err), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "busy"));
	halt(&k, nl);
}

static void what_is_no_nbd_device_is_refused(void)
{
	struct error err;
	uint32_t index;

	CU_ASSERT_EQUAL(device_index("/dev/null", &index, &err), -ENODEV);
	CU_ASSERT_EQUAL(device_index("/nonexistent/nbd0", &index, &err),
	    -ENOENT);
	CU_ASSERT_EQUAL(device_index("/", &index, &err), -ENODEV);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a device gets its size and its socket",
		    a_device_gets_its_size_and_its_socket },
		{ "a device is disconnected by its number",
		    a_device_is_disconnected_by_its_number },
		{ "a kernel without the driver is told",
		    a_kernel_without_the_driver_is_told },
		{ "a device in use is told", a_device_in_use_is_told },
		{ "what is no NBD device is refused",
		    what_is_no_nbd_device_is_refused },
		{ NULL, NULL }
	};

	return unit_run("nbd-device", tests);
}
