/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device.c - the kernel's client: /dev/nbdN
 *
 * The handshake is ours, also for the client: over one end of a pair of
 * sockets, the other end of which a session serves like any client's.  That
 * end then goes to the kernel by the generic netlink family "nbd" (Linux,
 * include/uapi/linux/nbd-netlink.h), which sends requests on it from then on.
 *
 * A netlink message is a header, a generic header, and attributes: length and
 * type in 16 bits each of the host's order, and the value, all padded to 4.
 */
#include "device.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/auto.h"
#include "client.h"
#include "tool.h"

enum {
	NBD_MAJOR = 43,
	MESSAGE_BYTES = 512,
	ANSWER_BYTES = 8192,
	PATIENCE_S = 30,
	DEVICE_BLOCK = 512,	/* what any guest may want to address */
};

/* ---- messages */

struct message {
	struct nlmsghdr head;
	struct genlmsghdr generic;
	uint8_t attributes[MESSAGE_BYTES];
};

static void begin(struct message *m, uint16_t family, uint8_t command,
    uint8_t version)
{
	memset(m, 0, sizeof(*m));
	m->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	m->head.nlmsg_type = family;
	m->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m->head.nlmsg_seq = 1;
	m->generic.cmd = command;
	m->generic.version = version;
}

/* Where the next attribute goes; all there are fit in MESSAGE_BYTES. */
static struct nlattr *put(struct message *m, uint16_t type, const void *value,
    uint16_t len)
{
	struct nlattr *a = (void *)((char *)m +
	    NLMSG_ALIGN(m->head.nlmsg_len));

	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy((char *)a + NLA_HDRLEN, value, len);
	m->head.nlmsg_len = (uint32_t)((char *)a - (char *)m) +
	    NLA_ALIGN(a->nla_len);
	return a;
}

static void put_u32(struct message *m, uint16_t type, uint32_t v)
{
	put(m, type, &v, sizeof(v));
}

static void put_u64(struct message *m, uint16_t type, uint64_t v)
{
	put(m, type, &v, sizeof(v));
}

/* All that came since belongs into it. */
static void close_nest(struct message *m, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)((char *)m + m->head.nlmsg_len -
	    (char *)nest);
}

/* ---- asking */

/* Sends, and waits for the acknowledgement; data: a message that may come
 * before it, or NULL. */
static int ask(int nl, const struct message *m, struct message *data,
    struct error *err)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	union { struct nlmsghdr head; char bytes[ANSWER_BYTES]; } in;
	const struct nlmsgerr *e;
	ssize_t n;

	n = sendto(nl, m, m->head.nlmsg_len, 0,
	    (const struct sockaddr *)&kernel, sizeof(kernel));
	if (n < 0 && errno == EISCONN)
		n = send(nl, m, m->head.nlmsg_len, 0);
	if (n < 0)
		return error_errno(err, errno, "netlink");
	for (;;) {
		size_t left;
		struct nlmsghdr *h = &in.head;

		n = recv(nl, &in, sizeof(in), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_errno(err, n ? errno == EAGAIN ?
			    ETIMEDOUT : errno : EPROTO, "netlink");
		for (left = (size_t)n; NLMSG_OK(h, left);
		    h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type != NLMSG_ERROR) {
				if (data && h->nlmsg_len <= sizeof(*data))
					memcpy(data, h, h->nlmsg_len);
				continue;
			}
			if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
				return error_set(err, EPROTO,
				    "netlink: short answer");
			e = NLMSG_DATA(h);
			return e->error ? error_errno(err, e->error < 0 ?
			    -e->error : EPROTO, "the kernel refused") : 0;
		}
	}
}

/* The number the family has in this kernel. */
static int find_family(int nl, uint16_t *family, struct error *err)
{
	struct message m, answer;
	size_t at = NLMSG_LENGTH(GENL_HDRLEN);

	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	put(&m, CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME,
	    sizeof(NBD_GENL_FAMILY_NAME));
	memset(&answer, 0, sizeof(answer));
	if (ask(nl, &m, &answer, err) < 0)
		return err->code == ENOENT ? error_set(err, ENOENT, "the "
		    "kernel has no NBD driver (modprobe nbd)") : -err->code;
	while (at + NLA_HDRLEN <= answer.head.nlmsg_len) {
		const struct nlattr *a = (void *)((char *)&answer + at);

		if (a->nla_len < NLA_HDRLEN ||
		    a->nla_len > answer.head.nlmsg_len - at)
			break;
		if (a->nla_type == CTRL_ATTR_FAMILY_ID &&
		    a->nla_len == NLA_HDRLEN + sizeof(*family)) {
			memcpy(family, (const char *)a + NLA_HDRLEN,
			    sizeof(*family));
			return 0;
		}
		at += NLA_ALIGN(a->nla_len);
	}
	return error_set(err, EPROTO, "netlink: no number for \"%s\"",
	    NBD_GENL_FAMILY_NAME);
}

int device_attach(int nl, const struct device *d, struct error *err)
{
	struct nlattr *sockets, *item;
	struct message m;
	uint16_t family;

	if (find_family(nl, &family, err) < 0)
		return -err->code;
	begin(&m, family, NBD_CMD_CONNECT, NBD_GENL_VERSION);
	put_u32(&m, NBD_ATTR_INDEX, d->index);
	put_u64(&m, NBD_ATTR_SIZE_BYTES, d->size);
	put_u64(&m, NBD_ATTR_BLOCK_SIZE_BYTES, DEVICE_BLOCK);
	put_u64(&m, NBD_ATTR_SERVER_FLAGS, d->flags);
	sockets = put(&m, NBD_ATTR_SOCKETS | NLA_F_NESTED, NULL, 0);
	item = put(&m, NBD_SOCK_ITEM | NLA_F_NESTED, NULL, 0);
	put_u32(&m, NBD_SOCK_FD, (uint32_t)d->fd);
	close_nest(&m, item);
	close_nest(&m, sockets);
	return ask(nl, &m, NULL, err);
}

int device_detach(int nl, uint32_t index, struct error *err)
{
	struct message m;
	uint16_t family;

	if (find_family(nl, &family, err) < 0)
		return -err->code;
	begin(&m, family, NBD_CMD_DISCONNECT, NBD_GENL_VERSION);
	put_u32(&m, NBD_ATTR_INDEX, index);
	return ask(nl, &m, NULL, err);
}

/* ---- devices */

int device_index(const char *path, uint32_t *index, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY);
	AUTO_FREE char *real = fd < 0 ? NULL : realpath(path, NULL);
	const char *name;
	struct stat st;
	char *end;

	if (fd < 0 || fstat(fd, &st))
		return error_errno(err, errno, "Failed to open %s", path);
	if (!S_ISBLK(st.st_mode) || major(st.st_rdev) != NBD_MAJOR || !real)
		return error_set(err, ENODEV, "%s is not an NBD device", path);
	name = strrchr(real, '/') + 1;
	if (strncmp(name, "nbd", 3) || name[3] < '0' || name[3] > '9')
		return error_set(err, ENODEV, "%s has no number: %s", path,
		    real);
	*index = (uint32_t)strtoul(name + 3, &end, 10);
	return *end ? error_set(err, ENODEV, "%s is a partition", real) : 0;
}

static int open_netlink(struct error *err)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	if (fd < 0)
		return error_errno(err, errno, "netlink");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

int device_connect(const char *path, const char *export, int fd,
    struct error *err)
{
	const struct timeval forever = { 0 };
	struct device d = { .fd = fd };
	struct export_info info;
	struct client client;
	int rc = device_index(path, &d.index, err);

	if (rc)
		return rc;
	AUTO_CLOSE int nl = open_netlink(err);
	if (nl < 0)
		return nl;
	/* The driver knows simple replies only. */
	rc = client_begin(&client, fd, NULL, NULL, false, err);
	if (!rc)
		rc = client_info(&client, NBD_OPT_GO, export, &info, err);
	if (rc)
		return rc;
	d.size = info.size;
	d.flags = info.flags;
	export_info_fini(&info);
	/* The driver waits as long as the socket says. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	rc = device_attach(nl, &d, err);
	return rc ? error_prefix(err, "%s", path) : 0;
}

int device_disconnect(const char *path, struct error *err)
{
	uint32_t index;
	int rc = device_index(path, &index, err);

	if (rc)
		return rc;
	AUTO_CLOSE int nl = open_netlink(err);
	if (nl < 0)
		return nl;
	rc = device_detach(nl, index, err);
	return rc ? error_prefix(err, "%s", path) : 0;
}
