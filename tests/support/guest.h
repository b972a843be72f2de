/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest.h - what a guest wrote, and what it may find after a power cut
 *
 * A model beside the image: the contents as the guest sees them, and for each
 * 512-byte sector all it has held since the last completed flush.  After a
 * cut a sector holds one of these; a write of less than a sector may be there
 * in part, so bytes are looked at one by one.  What is written is different
 * for each place and time, so another place's data is noticed.
 */
#ifndef SUPPORT_GUEST_H
#define SUPPORT_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

/* ---- dice: the same numbers for the same seed */

struct dice {
	uint64_t state;
};
uint64_t dice_next(struct dice *);
static inline uint64_t dice_below(struct dice *d, uint64_t n)
{
	return dice_next(d) % n;
}
/* Different for each x. */
uint64_t dice_mix(uint64_t x);

/* ---- stores and images */

/* The same store again, for an image to close: the one below stays. */
struct store *store_lend(struct store *, struct error *);

/* A new image of a format in an empty store; options as after -o. */
int image_make(struct store *, const char *format, uint64_t size,
    const char *options, const char *backing, bool incomplete,
    struct error *);

/* Opens what is in a store, which the image then owns; options (NULL: none)
 * as in --image-opts. */
struct image *image_in(struct store *, const struct open_args *,
    const char *options, struct error *);

/* Takes an internal snapshot of the qcow2 image in a store, which is not open:
 * by hand, since the library has no command for it yet.  The image has 16 bit
 * refcounts, no compressed clusters, and room in its refcount tables. */
int store_snapshot(struct store *, const char *name, struct error *);

/* Puts data behind the end of such a store, in clusters that are counted:
 * *host. */
int store_append(struct store *, const void *data, uint64_t len,
    uint64_t *host, struct error *);

/* Runs the format's check: 0, or -EIO when it finds more than leaks. */
int image_sound(struct image *, struct error *);

/* ---- the model */

enum { GUEST_SECTOR = 512 };

struct guest_version;

struct guest {
	uint64_t size, max;
	uint8_t *now;			/* max bytes, zeros past size */
	struct guest_version **old;	/* for each sector: what it held since
					 * the last flush, but now */
	uint64_t sizes[64];		/* the image's, since the last flush */
	unsigned size_count;
};

void guest_init(struct guest *, uint64_t size, uint64_t max);
void guest_fini(struct guest *);

/* Fills buf with what nobody else writes: seq tells the time.  easy: it can
 * be compressed. */
void guest_pattern(void *buf, uint64_t off, uint64_t len, uint64_t seq,
    bool easy);
/* buf NULL: zeros. */
void guest_write(struct guest *, uint64_t off, uint64_t len, const void *buf);
/* What may be seen from now on, too, without being what is seen now. */
void guest_may(struct guest *, uint64_t off, uint64_t len, const void *buf);
void guest_resize(struct guest *, uint64_t size);
void guest_flushed(struct guest *);
/* The model becomes what the image says, which must be zeros or as before in
 * each sector: after a discard. */
int guest_adopt(struct guest *, struct image *, uint64_t off, uint64_t len,
    struct error *);

/* Does the image read as it should?  exact: as now; else as a cut may have
 * left it.  -EIO names the place. */
int guest_check(const struct guest *, struct image *, bool exact,
    struct error *);

#endif
