/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.h - qcow2 as it lies on disk
 *
 * From the format's specification (docs/interop/qcow2 of the QEMU manual);
 * the section is named over each structure.  All numbers are big-endian.
 */
#ifndef QCOW2_DISK_H
#define QCOW2_DISK_H

#include "base/bytes.h"

#define QCOW2_MAGIC 0x514649fbu		/* "QFI\xfb" */

/* "Header": offsets in the comments are those of the file. */
struct qcow2_disk_header {
	be32 magic;			/*   0 */
	be32 version;			/*   4 2 or 3 */
	be64 backing_offset;		/*   8 0: none */
	be32 backing_len;		/*  16 at most 1023 */
	be32 cluster_bits;		/*  20 9 .. 21 */
	be64 size;			/*  24 guest bytes */
	be32 crypt_method;		/*  32 0 none, 1 AES, 2 LUKS */
	be32 l1_size;			/*  36 entries */
	be64 l1_offset;			/*  40 */
	be64 reftable_offset;		/*  48 */
	be32 reftable_clusters;		/*  56 */
	be32 snapshot_count;		/*  60 */
	be64 snapshot_offset;		/*  64 */
	/* version 3 */
	be64 incompatible;		/*  72 */
	be64 compatible;		/*  80 */
	be64 autoclear;			/*  88 */
	be32 refcount_order;		/*  96 width is 1 << order bits */
	be32 header_len;		/* 100 at least 104, extensions follow */
	uint8_t compression_type;	/* 104 when header_len reaches it */
	uint8_t pad[7];
};
_Static_assert(sizeof(struct qcow2_disk_header) == 112, "qcow2 header");
#define QCOW2_V2_HEADER_LEN 72u
#define QCOW2_V3_HEADER_LEN 104u	/* the least a version 3 may say */

#define INCOMPAT_DIRTY		(1ull << 0)
#define INCOMPAT_CORRUPT	(1ull << 1)
#define INCOMPAT_DATA_FILE	(1ull << 2)
#define INCOMPAT_COMPRESSION	(1ull << 3)
#define INCOMPAT_EXT_L2		(1ull << 4)
/* Ours: the image is being made, image_finish() has not run (D5). */
#define INCOMPAT_INCOMPLETE	(1ull << 63)
#define COMPAT_LAZY		(1ull << 0)
/* Ours, beside INCOMPAT_INCOMPLETE: a version 2 header has no feature bits,
 * so the image is of version 3 until it is finished. */
#define COMPAT_BECOMES_V2	(1ull << 63)
#define AUTOCLEAR_BITMAPS	(1ull << 0)
#define AUTOCLEAR_DATA_RAW	(1ull << 1)

/* "Header extensions": type, length, data padded to 8 bytes. */
struct qcow2_disk_ext {
	be32 type;
	be32 len;
};
#define EXT_END			0u
#define EXT_BACKING_FORMAT	0xe2792acau
#define EXT_FEATURES		0x6803f857u
#define EXT_BITMAPS		0x23852875u
#define EXT_CRYPT		0x0537be77u
#define EXT_DATA_FILE		0x44415441u

/* "Feature name table" */
struct qcow2_disk_feature {
	uint8_t type;			/* 0 incompatible 1 compatible 2 autoclear */
	uint8_t bit;
	char name[46];			/* padded with zeros, may fill all */
};
_Static_assert(sizeof(struct qcow2_disk_feature) == 48, "qcow2 feature");

/* "Bitmaps extension" */
struct qcow2_disk_bitmaps {
	be32 count;
	be32 reserved;
	be64 directory_len;
	be64 directory_offset;
};
_Static_assert(sizeof(struct qcow2_disk_bitmaps) == 24, "qcow2 bitmaps");

/* "Bitmap directory": extra data, then the name, padded to 8 bytes. */
struct qcow2_disk_bitmap {
	be64 table_offset;
	be32 table_size;		/* entries */
	be32 flags;
	uint8_t type;			/* 1: dirty tracking */
	uint8_t granularity_bits;
	be16 name_len;
	be32 extra_len;
};
_Static_assert(sizeof(struct qcow2_disk_bitmap) == 24, "qcow2 bitmap");
#define BITMAP_IN_USE	(1u << 0)
#define BITMAP_AUTO	(1u << 1)
#define BITMAP_EXTRA_COMPATIBLE (1u << 2)
#define BITMAP_TABLE_OFFSET 0x00fffffffffffe00ull

/* "Snapshots": extra data, id, name, padded to 8 bytes. */
struct qcow2_disk_snapshot {
	be64 l1_offset;
	be32 l1_size;
	be16 id_len;
	be16 name_len;
	be32 date_sec;
	be32 date_nsec;
	be64 vm_clock_nsec;
	be32 vm_state_size;
	be32 extra_len;
};
_Static_assert(sizeof(struct qcow2_disk_snapshot) == 40, "qcow2 snapshot");
struct qcow2_disk_snapshot_extra {
	be64 vm_state_size;
	be64 size;			/* guest bytes */
	be64 icount;
};

/* "L1 table", "L2 table" */
#define L1_OFFSET	0x00fffffffffffe00ull
#define L2_OFFSET	0x00fffffffffffe00ull
#define ENTRY_COPIED	(1ull << 63)	/* refcount is exactly one */
#define ENTRY_PACKED	(1ull << 62)	/* L2: compressed cluster descriptor */
#define ENTRY_ZERO	(1ull << 0)	/* L2, version 3 without subclusters */
#define L1_RESERVED	0x7f000000000001ffull
#define L2_RESERVED	0x3f000000000001feull

/* "Extended L2 entries": the second word: allocated bits, zero bits. */
#define SUB_ALLOC(i)	(1ull << (i))
#define SUB_ZERO(i)	(1ull << (32 + (i)))
#define SUB_ALL_ALLOC	0x00000000ffffffffull
#define SUB_ALL_ZERO	0xffffffff00000000ull
enum { SUBS = 32 };

/* "Refcounts" */
#define REFTABLE_OFFSET	0xfffffffffffffe00ull

/* Limits: what the peers accept, so that no header makes us allocate more. */
#define L1_MAX_BYTES		(32 * MIB)
#define REFTABLE_MAX_BYTES	(8 * MIB)
#define SNAPSHOTS_MAX		65536u
#define SNAPSHOT_TABLE_MAX	(64 * MIB)
#define SNAPSHOT_EXTRA_MAX	1024u
#define BITMAPS_MAX		65535u
#define BITMAP_DIRECTORY_MAX	(64 * MIB)
#define BACKING_NAME_MAX	1023u

#endif
