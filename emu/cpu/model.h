/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what a processor says it is (-cpu)
 *
 * A model is a name and a set of features; CPUID is computed from them.  The
 * features of instructions are those of table.h, so that CPUID says what the
 * decoder knows; others (paging, APIC) have their bits here.
 */
#ifndef CPU_MODEL_H
#define CPU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cpu/table.h"

struct cpu_model;

/*
 * From "-cpu" text: NAME[,+feature|,-feature|,feature=on|off]...  n is how
 * many processors the machine has (topology).  Unknown words are an error
 * that names them.  Owned by the caller.
 */
struct cpu_model *cpu_model_new(const char *text, unsigned n,
    struct error *err);
void cpu_model_free(struct cpu_model *);

/* One line per model, then the features, for "-cpu help". */
void cpu_model_help(void (*line)(void *opaque, const char *text),
    void *opaque);

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};
/* What CPUID answers on processor id; OSXSAVE, OSPKE, APIC state are the
 * caller's to add. */
struct cpuid cpu_model_cpuid(const struct cpu_model *, unsigned id,
    uint32_t leaf, uint32_t subleaf);

const struct cpu_features *cpu_model_features(const struct cpu_model *);
uint32_t cpu_model_signature(const struct cpu_model *);	/* EDX at reset */

/* Features that no instruction of table.h has. */
enum cpu_extra {
#define CPU_EXTRAS(X)						\
	X(VME,		"vme",		0x1, 0, 3, 1)		\
	X(DE,		"de",		0x1, 0, 3, 2)		\
	X(PSE,		"pse",		0x1, 0, 3, 3)		\
	X(PAE,		"pae",		0x1, 0, 3, 6)		\
	X(MCE,		"mce",		0x1, 0, 3, 7)		\
	X(APIC,		"apic",		0x1, 0, 3, 9)		\
	X(MTRR,		"mtrr",		0x1, 0, 3, 12)		\
	X(PGE,		"pge",		0x1, 0, 3, 13)		\
	X(MCA,		"mca",		0x1, 0, 3, 14)		\
	X(PAT,		"pat",		0x1, 0, 3, 16)		\
	X(PSE36,	"pse36",	0x1, 0, 3, 17)		\
	X(PCID,		"pcid",		0x1, 0, 2, 17)		\
	X(X2APIC,	"x2apic",	0x1, 0, 2, 21)		\
	X(DEADLINE,	"tsc-deadline",	0x1, 0, 2, 24)		\
	X(HYPERVISOR,	"hypervisor",	0x1, 0, 2, 31)		\
	X(SMEP,		"smep",		0x7, 0, 1, 7)		\
	X(ERMS,		"erms",		0x7, 0, 1, 9)		\
	X(ZERO_FCS,	"zero-fcs-fds",	0x7, 0, 1, 13)		\
	X(UMIP,		"umip",		0x7, 0, 2, 2)		\
	X(FSRM,		"fsrm",		0x7, 0, 3, 4)		\
	X(NX,		"nx",		0x80000001, 0, 3, 20)	\
	X(PDPE1GB,	"pdpe1gb",	0x80000001, 0, 3, 26)	\
	X(LM,		"lm",		0x80000001, 0, 3, 29)	\
	X(INVTSC,	"invtsc",	0x80000007, 0, 3, 8)	\
	X(KVMCLOCK,	"kvmclock",	0x40000001, 0, 0, 3)
#define X(name, ...) EXTRA_##name,
	CPU_EXTRAS(X)
#undef X
	EXTRA_N
};
bool cpu_model_has(const struct cpu_model *, enum cpu_extra);

/* Host time stamps a second, for CPUID 15h, 40000010h and the guest's clocks. */
uint64_t cpu_tsc_hz(void);
/* What the host's counter said when this program began. */
uint64_t cpu_model_tsc_start(void);
/* The host's time stamp counter. */
uint64_t cpu_host_tsc(void);

#endif
