/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* emu_virtio_rng.c - a guest against virtio-rng; input as in emu_virtio.h */
#include "dev/virtio_rng.h"
#include "fuzz/emu_virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct virtio_rng_config c = { .pci.slot = SLOT, .max_bytes = 65536,
	    .period_ms = 1 };
	struct error err;

	fuzz_begin(&f, data, size);
	rig_must(!virtio_rng_new(f.r.pci, f.r.board, f.r.mem, &c, &err),
	    &err);
	virtio_fuzz(&f, 1);
	rig_turn(&f.r);
	rig_fini(&f.r);
	return 0;
}
