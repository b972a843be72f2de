/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check.h - what check.c, repair.c and the loaders share; nobody else's */
#ifndef QCOW2_CHECK_H
#define QCOW2_CHECK_H

#include "qcow2/qcow2.h"

/*
 * The snapshot table as check wants it: an entry that lies past the end of
 * the file reads as zeros, and *incomplete (n of them, the caller frees) says
 * which entries lack what a version 3 image must tell of a snapshot.
 */
int qcow2_snapshots_scan(struct qcow2 *, struct qcow2_snapshot **, unsigned *n,
    uint64_t *table_len, bool **incomplete, struct error *);

#endif
