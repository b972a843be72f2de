/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* emu_virtio_blk.c - a guest against a virtio disk; input as in emu_virtio.h */
#include "dev/virtio_blk.h"
#include "fuzz/emu_virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct virtio_blk_config c = { .pci.slot = SLOT, .queues = 2,
	    .serial = "fuzz" };
	struct error err;

	fuzz_begin(&f, data, size);
	c.disk = rig_disk(&f.r, 1 << 20, false, true);
	rig_must(!virtio_blk_new(f.r.pci, f.r.board, f.r.mem, &c, &err),
	    &err);
	virtio_fuzz(&f, 2);
	rig_fini(&f.r);
	return 0;
}
