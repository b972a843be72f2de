/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cluster.h - which image is meant, and the connection to its cluster */
#ifndef MODULES_RBD_CLUSTER_H
#define MODULES_RBD_CLUSTER_H

#include <rados/librados.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/opts.h"
#include "modules/rbd/call.h"
#include "store/protocol.h"

struct rbd_keys {		/* borrowed from opts */
	const char *pool, *name_space, *image, *snapshot, *user, *conf;
	const char *key;	/* of --object secret */
};

struct rbd_cluster {
	rados_t rados;
	rados_ioctx_t io;
	struct patience patience;
};

/* "rbd:..." as keys. */
int rbd_parse(const char *name, struct opts *, struct error *);

int rbd_take_keys(struct opts *, const struct protocol_args *,
    struct rbd_keys *, struct error *);

/* Takes what is left in opts: servers, settings.  Filled on success only. */
int rbd_connect(struct rbd_cluster *, struct opts *, const struct rbd_keys *,
    struct error *);
/* Closes the image first, if there is one.  What is lost is left as it is. */
int rbd_disconnect(struct rbd_cluster *, rbd_image_t);

/* Is the pool full, or over its quota? */
bool rbd_is_full(struct rbd_cluster *);

#endif
