/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cowbird.h - disk images: open, map, read, write, convert, check
 *
 * An image is a disk as a guest sees it: so many bytes, some of which may lie
 * in the image's own file, some in the backing images under it, and some
 * nowhere (these read as zeros).  cowbird_open() opens a whole chain;
 * everything else is a call on the result.
 *
 * Units: bytes, always.  off is an offset on the guest's disk.  A range has
 * to lie within the image, in reads too: anything else is -EINVAL.
 *
 * Errors: a function returns 0, or -errno; one that returns a pointer returns
 * NULL.  The last argument tells why; NULL is allowed there.  Nothing is
 * printed, nothing ends the program, there is no global state.
 *
 * Ownership: an image belongs to whoever opened it until cowbird_close().
 * Buffers and strings that are passed in stay the caller's.  A string that is
 * returned as "char *" goes to cowbird_free(); "const char *" is borrowed
 * from the image and lives as long as it does.
 *
 * Threads: calls block.  One image may be used by any number of threads at
 * once, reads and writes of the same range included; of two writes to the
 * same bytes at the same time either may win, as with a real disk.  Alone on
 * the image must be, and the caller sees to it: cowbird_close(),
 * cowbird_resize() and cowbird_check().  Nobody may write to an image that is
 * being copied or compared, nor to one that lies under another.
 *
 * Durability: what a write returned from is on stable storage once a later
 * cowbird_flush() returned 0.  After a power cut an image is at worst larger
 * than it need be, never damaged.  After a flush has failed no later one
 * reports success.
 *
 * Trust: an image's header may name other files (a backing image, a data
 * file).  Followed are plain paths to regular files, data files only within
 * the image's own folder; the rest is refused with EKEYREJECTED unless
 * COWBIRD_ALLOW_EXTERNAL says otherwise.  For images of strangers there is
 * COWBIRD_UNTRUSTED: nothing is followed.
 *
 * The library does not change its callers' signal handlers, umask, locale or
 * working directory, and starts threads only inside cowbird_copy(),
 * cowbird_convert() and cowbird_compare().
 */
#ifndef COWBIRD_H
#define COWBIRD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;			/* <sys/uio.h> */

struct cowbird_image;		/* an open image */

/* Its size is part of the interface and does not change. */
struct cowbird_error {
	int code;		/* errno value, positive */
	char text[1020];	/* one line, no full stop */
};

/* "0.1.0", of the library that is running. */
const char *cowbird_version(void);

/* Frees what the library returned as "char *"; NULL is allowed. */
void cowbird_free(void *);

/* ---- formats */

/* The i-th format's name ("raw", "qcow2", ...), NULL past the last. */
const char *cowbird_format(unsigned i);

#define COWBIRD_CAN_CREATE	1u
#define COWBIRD_CAN_WRITE	2u
#define COWBIRD_CAN_RESIZE	4u
#define COWBIRD_CAN_CHECK	8u
#define COWBIRD_CAN_BACKING	16u	/* may lie on another image */

/* What can be done with images of a format; 0: nothing but reading them, or
 * there is no such format. */
unsigned cowbird_format_can(const char *format);

/* ---- opening and closing */

#define COWBIRD_WRITABLE	0x001u	/* for writing; else read-only */
#define COWBIRD_SHARE		0x002u	/* read while others write: no locks */
#define COWBIRD_DIRECT		0x004u	/* past the page cache; any alignment */
#define COWBIRD_NO_SYNC		0x008u	/* flush does nothing: for scratch */
#define COWBIRD_WRITETHROUGH	0x010u	/* each write is flushed */
#define COWBIRD_NO_BACKING	0x020u	/* this layer alone; holes are zeros */
#define COWBIRD_FOR_CHECK	0x040u	/* damaged ones, too; repairs nothing */
#define COWBIRD_UNMAP		0x080u	/* discards reach the file */
#define COWBIRD_ALLOW_EXTERNAL	0x100u	/* follow references anywhere */
#define COWBIRD_UNTRUSTED	0x200u	/* follow no reference */

/*
 * Opens an image and all it lies on.
 *
 * name		a path, "file:PATH" or json:{...}; NULL when the options name
 *		the file
 * format	NULL: guessed from the contents.  Never guess about a disk
 *		that a guest may write to and that was raw: it can make itself
 *		look like anything.  (While it is open a guess holds: writes
 *		that would make a raw image look like another are EPERM)
 * options	"key=value,key=value", as the tools take them behind
 *		--image-opts, such as "driver=raw,offset=1M"; ",," is a comma
 *		in a value; NULL: none
 *
 * EAGAIN: another process has locked the image.  EKEYREJECTED: it refers to
 * what may not be followed.
 */
struct cowbird_image *cowbird_open(const char *name, const char *format,
    const char *options, unsigned flags, struct cowbird_error *);

/* Flushes and closes.  The image is gone in any case; after writing look at
 * the result, it is the last chance to learn that something was lost.  NULL
 * is allowed. */
int cowbird_close(struct cowbird_image *, struct cowbird_error *);

#define COWBIRD_SIZE_OF_BACKING UINT64_MAX

/*
 * Makes an image; a regular file of this name is overwritten, unless another
 * process has it open as an image.
 *
 * options	"key=value,..." as behind -o of cowbird-img create:
 *		"cluster_size=2M,backing_file=base.img,backing_fmt=raw".  A
 *		relative backing_file is relative to the new image.  NULL: none
 * size		COWBIRD_SIZE_OF_BACKING: that of the backing image
 */
int cowbird_create(const char *path, const char *format, uint64_t size,
    const char *options, struct cowbird_error *);

/* ---- what it is */

uint64_t cowbird_size(const struct cowbird_image *);
const char *cowbird_image_format(const struct cowbird_image *);
/* The backing image's name as the image records it; NULL: none. */
const char *cowbird_backing_name(const struct cowbird_image *);

/* What cowbird-img info --output=json prints of this layer. */
char *cowbird_info(struct cowbird_image *, struct cowbird_error *);

#define COWBIRD_PRESENT		1u	/* some layer of the chain has it */
#define COWBIRD_ZERO		2u	/* reads as zeros */
#define COWBIRD_DATA		4u	/* bytes are stored for it */
#define COWBIRD_COMPRESSED	8u	/* in compressed form */
#define COWBIRD_OFFSET		16u	/* file and offset are set: the bytes
					 * lie there as they are */

struct cowbird_extent {
	uint64_t off;		/* as asked */
	uint64_t len;		/* the answer holds for so many; never 0 */
	uint64_t offset;	/* in file */
	const char *file;	/* borrowed; NULL: none */
	uint32_t flags;		/* COWBIRD_PRESENT ...; others may come */
	uint32_t depth;		/* 0: the image itself, 1: its backing image */
	uint64_t reserved[3];	/* zero */
};

/* Where the bytes from off on are, and how far that holds, at most len (not
 * 0).  What follows may be alike. */
int cowbird_map(struct cowbird_image *, uint64_t off, uint64_t len,
    struct cowbird_extent *, struct cowbird_error *);

/* ---- reading and writing */

#define COWBIRD_FUA		1u	/* on stable storage when it returns */
#define COWBIRD_MAY_UNMAP	2u	/* zero: may give the space back */
#define COWBIRD_NO_FALLBACK	4u	/* zero: ENOTSUP where zeros would have
					 * to be written one by one */
#define COWBIRD_COMPRESS	8u	/* write: whole clusters, or the last */

/* All of len, or an error. */
int cowbird_read(struct cowbird_image *, void *buf, uint64_t len,
    uint64_t off, struct cowbird_error *);
int cowbird_readv(struct cowbird_image *, const struct iovec *, int n,
    uint64_t off, struct cowbird_error *);
int cowbird_write(struct cowbird_image *, const void *buf, uint64_t len,
    uint64_t off, unsigned flags, struct cowbird_error *);
int cowbird_writev(struct cowbird_image *, const struct iovec *, int n,
    uint64_t off, unsigned flags, struct cowbird_error *);

/* The range reads as zeros from now on. */
int cowbird_zero(struct cowbird_image *, uint64_t off, uint64_t len,
    unsigned flags, struct cowbird_error *);
/* The contents are no longer needed: until written again the range reads as
 * before, as zeros, or (qcow2 version 2) as the backing image.  Does nothing
 * unless opened with COWBIRD_UNMAP. */
int cowbird_discard(struct cowbird_image *, uint64_t off, uint64_t len,
    struct cowbird_error *);
int cowbird_flush(struct cowbird_image *, struct cowbird_error *);

/* preallocation: "off" or NULL, "metadata", "falloc", "full", as far as the
 * format has it.  What a shrunken image loses is lost. */
int cowbird_resize(struct cowbird_image *, uint64_t size,
    const char *preallocation, struct cowbird_error *);

/* ---- checking */

#define COWBIRD_FIX_LEAKS	1u
#define COWBIRD_FIX_ERRORS	2u

struct cowbird_findings {
	uint64_t corruptions;	/* left now: errors in the tables */
	uint64_t leaks;		/* left now: clusters nobody uses */
	uint64_t check_errors;	/* what could not be looked at */
	uint64_t corruptions_fixed, leaks_fixed;
	uint64_t image_end;	/* end of the last cluster in use, or 0 */
	uint64_t total_clusters, allocated_clusters;
	uint64_t fragmented_clusters, compressed_clusters;
	uint64_t reserved[6];	/* zero */
};

/*
 * Looks for errors in the tables of this layer, and repairs what fix says;
 * open the image with COWBIRD_FOR_CHECK, and for repairs with
 * COWBIRD_WRITABLE.  Returns 0 when the check ran to its end, whatever it
 * found.  ENOTSUP: the format has nothing to check.
 *
 * say is called on this thread with each finding, one line; NULL: it is not.
 */
int cowbird_check(struct cowbird_image *, unsigned fix,
    void (*say)(void *arg, const char *line), void *arg,
    struct cowbird_findings *, struct cowbird_error *);

/* ---- copying and comparing */

/* progress, where a function takes it, is called now and then, by any thread
 * but never by two at once: done of total bytes are dealt with.  Another
 * result than 0 ends the work: -EINTR.  NULL: nobody wants to know. */

#define COWBIRD_COPY_COMPRESS	1u	/* the target's data is compressed */
#define COWBIRD_COPY_FULL	2u	/* zeros are written as data, too */
#define COWBIRD_COPY_UNORDERED	4u	/* the target's layout may differ from
					 * run to run: faster on some disks */
#define COWBIRD_COPY_IS_ZERO	8u	/* the target reads as zeros now */

/*
 * Copies count images, one behind the other, to the start of the target,
 * which is open and large enough.  The target then reads like the sources;
 * it is not flushed.
 *
 * threads	at most so many, 0: one for each processor; the target's
 *		bytes are the same for any number
 */
int cowbird_copy(struct cowbird_image *const *sources, unsigned count,
    struct cowbird_image *target, unsigned flags, unsigned threads,
    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct cowbird_error *);

/* The same into a new image, as large as the sources together, which is on
 * stable storage when this returns 0.  format and options are as for
 * cowbird_create().  When it fails nothing is left that looks like an image:
 * a new file is removed, an old one is empty. */
int cowbird_convert(struct cowbird_image *const *sources, unsigned count,
    const char *path, const char *format, const char *options,
    unsigned flags, unsigned threads,
    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct cowbird_error *);

#define COWBIRD_SAME UINT64_MAX

/* Do two images read the same?  What the longer one has more must be zeros.
 * differ_at: the first sector that differs, or COWBIRD_SAME. */
int cowbird_compare(struct cowbird_image *, struct cowbird_image *,
    unsigned threads, uint64_t *differ_at,
    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct cowbird_error *);

/* How large a file would be with the data of source in it, and how large
 * with all clusters allocated.  format and options are those of the new
 * image.  source NULL: an empty image of "size" bytes. */
int cowbird_measure(struct cowbird_image *source, uint64_t size,
    const char *format, const char *options, uint64_t *required,
    uint64_t *fully_allocated, struct cowbird_error *);

#ifdef __cplusplus
}
#endif

#endif
