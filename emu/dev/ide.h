/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.h - an ATA channel and its two drives
 *
 * The channel has the task file, the interrupt and the transfers (ide.c); a
 * drive is a disk (ata.c) or a CD-ROM (atapi.c); the host adapter gives ports
 * and the bus master (piix3_ide.c).  All with the board lock held.
 *
 * ATA/ATAPI-7 (INCITS 397) is cited by section, volume 1 for commands, volume
 * 2 for the transport; the bus master by "Programming Interface for Bus Master
 * IDE Controller", revision 1.0.
 */
#ifndef DEV_IDE_H
#define DEV_IDE_H

#include "core/irq.h"
#include "core/mem.h"
#include "dev/disk.h"

struct pci_dev;

/* What the user may say of a drive; zero or NULL: the usual. */
struct ide_config {
	struct disk *disk;	/* borrowed; NULL: no drive here */
	bool cd;
	const char *model;	/* up to 40, 20 and 8 printable characters */
	const char *serial;
	const char *firmware;
	unsigned cylinders, heads, sectors;
};

/* status, 7.15 */
enum {
	IDE_ERR = 0x01, IDE_DRQ = 0x08, IDE_DSC = 0x10, IDE_DF = 0x20,
	IDE_DRDY = 0x40, IDE_BSY = 0x80,
};
/* error, 7.9 */
enum { IDE_ABRT = 0x04, IDE_IDNF = 0x10, IDE_UNC = 0x40 };
/* device control, 7.8 */
enum { IDE_NIEN = 0x02, IDE_SRST = 0x04, IDE_HOB = 0x80 };

enum { IDE_BUF = 64 * 1024, IDE_SECTOR = 512, CD_SECTOR = 2048 };
enum { BM_SEGS = 1024, BM_IOVS = 1024 };

/* Runs of guest memory, as the bus master's table says. */
struct bm_seg {
	uint32_t gpa, len;
};

/* Where in its table the bus master is. */
struct bm_walk {
	uint32_t next;		/* the next entry */
	unsigned entries;	/* read so far */
	uint32_t gpa, left;	/* of the current one */
	bool last;		/* it is the last */
};

struct bus_master {
	struct pci_dev *pci;	/* may it? */
	struct mem *mem;
	uint8_t command, status;
	uint32_t table;
	struct bm_walk walk;
	struct bm_seg seg[BM_SEGS];
	unsigned segs;
	bool in_use;		/* seg and iov: the disk is at work on them */
	struct iovec iov[BM_IOVS];
	int iovs;
};

struct ide_channel;
struct ide_drive;
typedef void ide_then(struct ide_drive *);

enum ide_phase { IDE_IDLE, IDE_BUSY, IDE_IN, IDE_OUT, IDE_DMA };

struct ide_task {		/* registers with a previous content, 7.x */
	uint8_t now, before;
};

struct ide_drive {
	struct ide_channel *ch;
	struct disk *disk;	/* NULL: no drive */
	bool cd;
	char model[41], serial[21], firmware[9];
	unsigned cylinders, heads, sectors;	/* default translation */
	unsigned cur_heads, cur_sectors;	/* 91h */
	bool write_cache;
	uint8_t multiple;	/* sectors a block, 0: off */
	uint8_t mdma, udma;	/* modes chosen, bit set; 0: none */

	struct ide_task feature, count, lba[3];
	uint8_t status, error, command;
	bool intrq;

	enum ide_phase phase;
	ide_then *then;		/* the phase has ended */
	uint8_t *buf;		/* IDE_BUF bytes */
	unsigned at, block_end, end, block;	/* IN, OUT: within buf */
	bool packet;		/* byte counts go to the LBA registers */

	/* What is under way. */
	struct disk_req req;
	struct iovec iov;	/* of buf */
	ide_then *done;
	bool in_disk, abandoned;
	bool reset_after;	/* a reset waits for it */

	/* ATA */
	uint64_t sector;
	uint32_t left, piece;	/* sectors: of the command, of the request */
	bool ext, writing, fua;
	unsigned range;		/* DATA SET MANAGEMENT: next in buf */

	/* ATAPI */
	uint8_t cdb[12];
	uint8_t key, asc, ascq;	/* sense data */
	uint32_t lba_at, blocks_left;
	unsigned limit;		/* host's byte count */
	bool by_dma;
	bool tray_open, locked;
	uint8_t media_event;	/* to be told by GET EVENT STATUS */
};

struct ide_channel {
	struct ide_drive drive[2];
	unsigned selected;
	uint8_t device, control;
	bool line;
	struct irq irq;
	struct bus_master bm;
};

/* --- ide.c: the channel ---------------------------------------------------- */

/* number of the channel: for serial numbers. */
int ide_init(struct ide_channel *, unsigned number,
    const struct ide_config drive[2], struct irq, struct error *err);
void ide_fini(struct ide_channel *);
void ide_reset(struct ide_channel *);	/* RESET- */

/* The command block, offset 0..7, and the control block's register. */
uint64_t ide_read(struct ide_channel *, unsigned off, unsigned size);
void ide_write(struct ide_channel *, unsigned off, unsigned size, uint32_t v);
uint8_t ide_alt_status(const struct ide_channel *);
void ide_control(struct ide_channel *, uint8_t v);
/* The bus master was started. */
void ide_bm_started(struct ide_channel *);

/* For the drives.  Each ends a step of a command and begins the next. */
void ide_interrupt(struct ide_drive *);
void ide_finish(struct ide_drive *, uint8_t status, uint8_t error);
void ide_busy(struct ide_drive *);
/* The host reads (writes) len bytes of buf in blocks; then then(). */
void ide_data_in(struct ide_drive *, unsigned len, unsigned block,
    ide_then *then);
void ide_data_out(struct ide_drive *, unsigned len, unsigned block,
    bool interrupt, ide_then *then);
/* then() once the bus master has been started. */
void ide_wait_dma(struct ide_drive *, ide_then *then);
/* buf from or to the disk; or what the bus master's iov says.  d->req.ret. */
void ide_disk(struct ide_drive *, enum disk_op, uint64_t off, uint64_t len,
    ide_then *done);
void ide_disk_dma(struct ide_drive *, enum disk_op, uint64_t off, uint64_t len,
    ide_then *done);
/* A read into the bus master's iov that needs no waiting: true, it is done. */
bool ide_dma_now(struct ide_drive *, uint64_t off, uint64_t len);
void ide_signature(struct ide_drive *);
/* Puts text into an identify block: two characters a word, swapped. */
void ide_text(uint8_t *at, const char *text, unsigned len);

/* --- ata.c, atapi.c: drives ------------------------------------------------ */

void ata_command(struct ide_drive *);
void ata_reset(struct ide_drive *);
void atapi_command(struct ide_drive *);
void atapi_reset(struct ide_drive *);
/* The command is one of no data that disks and CD-ROMs share: done. */
bool ata_common(struct ide_drive *);

/* --- bus_master.c ------------------------------------------------------------ */

void bm_reset(struct bus_master *);
bool bm_running(const struct bus_master *);
uint32_t bm_read(const struct bus_master *, unsigned off, unsigned size);
/* True: it was started now. */
bool bm_write(struct bus_master *, unsigned off, unsigned size, uint32_t v);
/*
 * The next piece of memory as bm.iov: at most max bytes, a multiple of unit.
 * 0: the table ends before; -EFAULT: it or what it names is not RAM.
 */
int64_t bm_next(struct bus_master *, uint64_t max, unsigned unit);
void bm_wrote(struct bus_master *);	/* into bm.iov, all of it */
/* Copies len bytes; less when the table ends before; -EFAULT. */
int64_t bm_copy(struct bus_master *, void *buf, uint64_t len, bool to_memory);
/* The transfer is over: with an error, or as the table says. */
void bm_end(struct bus_master *, bool failed);

#endif
