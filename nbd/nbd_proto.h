/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_proto.h - the wire: constants and structures of the NBD protocol
 *
 * Names and sections are those of "The NBD protocol" (doc/proto.md of the
 * reference implementation, its extension-ext-header branch for extended
 * headers).  All integers are big-endian.
 */
#ifndef NBD_PROTO_H
#define NBD_PROTO_H

#include "base/bytes.h"

enum {
	NBD_PORT = 10809,
	NBD_STRING_MAX = 4096,		/* "Conventions": any string */
	NBD_PAYLOAD_MAX = 32 << 20,	/* "Block size constraints" */
};

/* ---- handshake */

#define NBD_MAGIC		0x4e42444d41474943ull	/* NBDMAGIC */
#define NBD_OPTS_MAGIC		0x49484156454f5054ull	/* IHAVEOPT */
#define NBD_REP_MAGIC		0x0003e889045565a9ull

/* "Newstyle negotiation" */
struct nbd_greeting {
	be64 magic;		/*  0 */
	be64 version;		/*  8  NBD_OPTS_MAGIC */
	be16 flags;		/* 16  NBD_FLAG_FIXED_NEWSTYLE, ... */
};
_Static_assert(sizeof(struct nbd_greeting) == 18, "wire");

#define NBD_FLAG_FIXED_NEWSTYLE		1u
#define NBD_FLAG_NO_ZEROES		2u
/* of the client, 32 bits */
#define NBD_FLAG_C_FIXED_NEWSTYLE	1u
#define NBD_FLAG_C_NO_ZEROES		2u

struct nbd_option {
	be64 magic;		/*  0  NBD_OPTS_MAGIC */
	be32 option;		/*  8 */
	be32 len;		/* 12  of the data that follow */
};
_Static_assert(sizeof(struct nbd_option) == 16, "wire");

struct nbd_option_reply {
	be64 magic;		/*  0  NBD_REP_MAGIC */
	be32 option;		/*  8  as asked */
	be32 type;		/* 12  NBD_REP_... */
	be32 len;		/* 16 */
};
_Static_assert(sizeof(struct nbd_option_reply) == 20, "wire");

/* "Option types" */
#define NBD_OPT_EXPORT_NAME		1u
#define NBD_OPT_ABORT			2u
#define NBD_OPT_LIST			3u
#define NBD_OPT_STARTTLS		5u
#define NBD_OPT_INFO			6u
#define NBD_OPT_GO			7u
#define NBD_OPT_STRUCTURED_REPLY	8u
#define NBD_OPT_LIST_META_CONTEXT	9u
#define NBD_OPT_SET_META_CONTEXT	10u
#define NBD_OPT_EXTENDED_HEADERS	11u

/* "Option reply types" */
#define NBD_REP_ACK			1u
#define NBD_REP_SERVER			2u
#define NBD_REP_INFO			3u
#define NBD_REP_META_CONTEXT		4u
#define NBD_REP_FLAG_ERROR		(1u << 31)
#define NBD_REP_ERR_UNSUP		(NBD_REP_FLAG_ERROR + 1)
#define NBD_REP_ERR_POLICY		(NBD_REP_FLAG_ERROR + 2)
#define NBD_REP_ERR_INVALID		(NBD_REP_FLAG_ERROR + 3)
#define NBD_REP_ERR_PLATFORM		(NBD_REP_FLAG_ERROR + 4)
#define NBD_REP_ERR_TLS_REQD		(NBD_REP_FLAG_ERROR + 5)
#define NBD_REP_ERR_UNKNOWN		(NBD_REP_FLAG_ERROR + 6)
#define NBD_REP_ERR_SHUTDOWN		(NBD_REP_FLAG_ERROR + 7)
#define NBD_REP_ERR_BLOCK_SIZE_REQD	(NBD_REP_FLAG_ERROR + 8)
#define NBD_REP_ERR_TOO_BIG		(NBD_REP_FLAG_ERROR + 9)
#define NBD_REP_ERR_EXT_HEADER_REQD	(NBD_REP_FLAG_ERROR + 10)

/* Information types of NBD_REP_INFO */
#define NBD_INFO_EXPORT			0u
#define NBD_INFO_NAME			1u
#define NBD_INFO_DESCRIPTION		2u
#define NBD_INFO_BLOCK_SIZE		3u

/* Reply to NBD_OPT_EXPORT_NAME; 124 zeros follow without NO_ZEROES. */
struct nbd_export_reply {
	be64 size;		/* 0 */
	be16 flags;		/* 8  transmission flags */
};
_Static_assert(sizeof(struct nbd_export_reply) == 10, "wire");
enum { NBD_EXPORT_ZEROES = 124 };

struct nbd_info_export {
	be16 type;		/* 0  NBD_INFO_EXPORT */
	be64 size;		/* 2 */
	be16 flags;		/* 10 */
};
_Static_assert(sizeof(struct nbd_info_export) == 12, "wire");

struct nbd_info_block_size {
	be16 type;		/* 0  NBD_INFO_BLOCK_SIZE */
	be32 minimum;		/* 2 */
	be32 preferred;		/* 6 */
	be32 maximum;		/* 10 */
};
_Static_assert(sizeof(struct nbd_info_block_size) == 14, "wire");

/* "Transmission flags" */
#define NBD_FLAG_HAS_FLAGS		(1u << 0)
#define NBD_FLAG_READ_ONLY		(1u << 1)
#define NBD_FLAG_SEND_FLUSH		(1u << 2)
#define NBD_FLAG_SEND_FUA		(1u << 3)
#define NBD_FLAG_ROTATIONAL		(1u << 4)
#define NBD_FLAG_SEND_TRIM		(1u << 5)
#define NBD_FLAG_SEND_WRITE_ZEROES	(1u << 6)
#define NBD_FLAG_SEND_DF		(1u << 7)
#define NBD_FLAG_CAN_MULTI_CONN		(1u << 8)
#define NBD_FLAG_SEND_RESIZE		(1u << 9)
#define NBD_FLAG_SEND_CACHE		(1u << 10)
#define NBD_FLAG_SEND_FAST_ZERO		(1u << 11)
#define NBD_FLAG_BLOCK_STATUS_PAYLOAD	(1u << 12)

/* ---- transmission */

#define NBD_REQUEST_MAGIC		0x25609513u
#define NBD_SIMPLE_REPLY_MAGIC		0x67446698u
#define NBD_STRUCTURED_REPLY_MAGIC	0x668e33efu
#define NBD_EXTENDED_REQUEST_MAGIC	0x21e41c71u
#define NBD_EXTENDED_REPLY_MAGIC	0x6e8a278cu

/* "Request message"; cookie is what the client wants to see again. */
struct nbd_request {
	be32 magic;		/*  0  NBD_REQUEST_MAGIC */
	be16 flags;		/*  4  NBD_CMD_FLAG_... */
	be16 type;		/*  6  NBD_CMD_... */
	be64 cookie;		/*  8 */
	be64 off;		/* 16 */
	be32 len;		/* 24 */
};
_Static_assert(sizeof(struct nbd_request) == 28, "wire");

/* With extended headers: len is that of the payload where PAYLOAD_LEN is
 * set. */
struct nbd_extended_request {
	be32 magic;		/*  0  NBD_EXTENDED_REQUEST_MAGIC */
	be16 flags;		/*  4 */
	be16 type;		/*  6 */
	be64 cookie;		/*  8 */
	be64 off;		/* 16 */
	be64 len;		/* 24 */
};
_Static_assert(sizeof(struct nbd_extended_request) == 32, "wire");

struct nbd_simple_reply {
	be32 magic;		/*  0 */
	be32 error;		/*  4 */
	be64 cookie;		/*  8 */
};
_Static_assert(sizeof(struct nbd_simple_reply) == 16, "wire");

struct nbd_structured_reply {
	be32 magic;		/*  0 */
	be16 flags;		/*  4  NBD_REPLY_FLAG_DONE */
	be16 type;		/*  6  NBD_REPLY_TYPE_... */
	be64 cookie;		/*  8 */
	be32 len;		/* 16  of what follows */
};
_Static_assert(sizeof(struct nbd_structured_reply) == 20, "wire");

struct nbd_extended_reply {
	be32 magic;		/*  0 */
	be16 flags;		/*  4 */
	be16 type;		/*  6 */
	be64 cookie;		/*  8 */
	be64 off;		/* 16  as in the request */
	be64 len;		/* 24 */
};
_Static_assert(sizeof(struct nbd_extended_reply) == 32, "wire");

#define NBD_CMD_READ		0u
#define NBD_CMD_WRITE		1u
#define NBD_CMD_DISC		2u
#define NBD_CMD_FLUSH		3u
#define NBD_CMD_TRIM		4u
#define NBD_CMD_CACHE		5u
#define NBD_CMD_WRITE_ZEROES	6u
#define NBD_CMD_BLOCK_STATUS	7u

#define NBD_CMD_FLAG_FUA	 (1u << 0)
#define NBD_CMD_FLAG_NO_HOLE	 (1u << 1)
#define NBD_CMD_FLAG_DF		 (1u << 2)
#define NBD_CMD_FLAG_REQ_ONE	 (1u << 3)
#define NBD_CMD_FLAG_FAST_ZERO	 (1u << 4)
#define NBD_CMD_FLAG_PAYLOAD_LEN (1u << 5)

#define NBD_REPLY_FLAG_DONE	1u

#define NBD_REPLY_TYPE_NONE		0u
#define NBD_REPLY_TYPE_OFFSET_DATA	1u
#define NBD_REPLY_TYPE_OFFSET_HOLE	2u
#define NBD_REPLY_TYPE_BLOCK_STATUS	5u
#define NBD_REPLY_TYPE_BLOCK_STATUS_EXT	6u
#define NBD_REPLY_TYPE_ERROR		(1u << 15 | 1)
#define NBD_REPLY_TYPE_ERROR_OFFSET	(1u << 15 | 2)

/* Payloads of chunks, in front of what their length leaves. */
struct nbd_chunk_data {
	be64 off;		/* 0  then the data */
};
_Static_assert(sizeof(struct nbd_chunk_data) == 8, "wire");

struct nbd_chunk_hole {
	be64 off;		/* 0 */
	be32 len;		/* 8 */
};
_Static_assert(sizeof(struct nbd_chunk_hole) == 12, "wire");

struct nbd_chunk_error {
	be32 error;		/* 0 */
	be16 len;		/* 4  of the text that follows */
};
_Static_assert(sizeof(struct nbd_chunk_error) == 6, "wire");

struct nbd_chunk_status {
	be32 context;		/* 0  then descriptors */
};
_Static_assert(sizeof(struct nbd_chunk_status) == 4, "wire");

struct nbd_chunk_status_ext {
	be32 context;		/* 0 */
	be32 count;		/* 4  of descriptors */
};
_Static_assert(sizeof(struct nbd_chunk_status_ext) == 8, "wire");

struct nbd_descriptor {
	be32 len;		/* 0 */
	be32 flags;		/* 4 */
};
_Static_assert(sizeof(struct nbd_descriptor) == 8, "wire");

struct nbd_descriptor_ext {
	be64 len;		/* 0 */
	be64 flags;		/* 8 */
};
_Static_assert(sizeof(struct nbd_descriptor_ext) == 16, "wire");

/* Flags of base:allocation */
#define NBD_STATE_HOLE	1u
#define NBD_STATE_ZERO	2u
/* Flag of qemu:dirty-bitmap:NAME */
#define NBD_STATE_DIRTY	1u

/* "Error values" */
#define NBD_EPERM	1u
#define NBD_EIO		5u
#define NBD_ENOMEM	12u
#define NBD_EINVAL	22u
#define NBD_ENOSPC	28u
#define NBD_EOVERFLOW	75u
#define NBD_ENOTSUP	95u
#define NBD_ESHUTDOWN	108u

#endif
