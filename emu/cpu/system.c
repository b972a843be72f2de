/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.c - instructions of operating systems (SDM 2, 3A chapter 2)
 *
 * Handlers of insn.tab.  Those that end a block (ENDS) go on to its
 * terminator, which goes back to the loop; those that transfer control go
 * there themselves.
 */
#include "cpu/block.h"
#include "cpu/debug.h"
#include "cpu/exec.h"
#include "cpu/fp.h"
#include "cpu/interp.h"
#include "cpu/model.h"
#include "cpu/paging.h"
#include "cpu/system.h"
#include "cpu/table.h"

/* --- Control registers ------------------------------------------------------------------ */

static void
write_cr0(struct cpu *c, const struct insn *i, uint64_t v)
{
	uint64_t known = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE |
	    CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
	uint64_t old = c->cr0;

	if (v >> 32)
		cpu_gp(c, i, 0);
	v = (v & known) | CR0_ET;
	if (((v & CR0_PG) && !(v & CR0_PE)) ||
	    ((v & CR0_NW) && !(v & CR0_CD)))
		cpu_gp(c, i, 0);
	if ((v & CR0_PG) && !(old & CR0_PG)) {
		if (c->efer & EFER_LME) {
			/* 9.8.5 */
			if (!(c->cr4 & CR4_PAE) ||
			    (c->seg[SEG_CS].attr & ATTR_L))
				cpu_gp(c, i, 0);
			c->efer |= EFER_LMA;
		} else if ((c->cr4 & CR4_PAE) &&
		    !paging_load_pdptes(c, c->cr3)) {
			cpu_gp(c, i, 0);
		}
	}
	if (!(v & CR0_PG) && (old & CR0_PG)) {
		if ((c->cr4 & CR4_PCIDE) || (cpu_long_mode(c) &&
		    c->bits == DECODE_64))
			cpu_gp(c, i, 0);
		c->efer &= ~(uint64_t)EFER_LMA;
	}
	c->cr0 = v;
	if ((old ^ v) & (CR0_PG | CR0_WP | CR0_PE))
		paging_flush_all(c);
	if (!(v & CR0_PE) && (old & CR0_PE))
		c->cpl = 0;
	if ((old ^ v) & CR0_PE)
		blocks_forget_jumps(c);
	cpu_mode_changed(c);
}

static void
write_cr3(struct cpu *c, const struct insn *i, uint64_t v)
{
	bool keep = (c->cr4 & CR4_PCIDE) && (v >> 63);

	if (c->cr4 & CR4_PCIDE)
		v &= ~(1ull << 63);
	if (cpu_long_mode(c) ? v >> MEM_BITS : v >> 32)
		cpu_gp(c, i, 0);
	if ((c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !cpu_long_mode(c) &&
	    !paging_load_pdptes(c, v))
		cpu_gp(c, i, 0);
	c->cr3 = v;
	paging_switch(c, keep);
}

static uint64_t
cr4_known(const struct cpu *c)
{
	const struct cpu_features *f = cpu_model_features(c->model);
	uint64_t v = CR4_TSD | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PCE;

#define IF_EXTRA(x, bits) (cpu_model_has(c->model, EXTRA_##x) ? (bits) : 0)
#define IF_FEATURE(x, bits) (cpu_has(f, FEAT_##x) ? (bits) : 0)
	return v | IF_EXTRA(VME, CR4_VME | CR4_PVI) | IF_EXTRA(DE, CR4_DE) |
	    IF_EXTRA(PSE, CR4_PSE) | IF_EXTRA(PAE, CR4_PAE) |
	    IF_EXTRA(MCE, CR4_MCE) | IF_EXTRA(PGE, CR4_PGE) |
	    IF_EXTRA(UMIP, CR4_UMIP) | IF_FEATURE(FSGSBASE, CR4_FSGSBASE) |
	    IF_EXTRA(PCID, CR4_PCIDE) | IF_FEATURE(XSAVE, CR4_OSXSAVE) |
	    IF_EXTRA(SMEP, CR4_SMEP) | IF_FEATURE(SMAP, CR4_SMAP);
}

static void
write_cr4(struct cpu *c, const struct insn *i, uint64_t v)
{
	uint64_t old = c->cr4;

	if (v & ~cr4_known(c))
		cpu_gp(c, i, 0);
	if (cpu_long_mode(c) && !(v & CR4_PAE))
		cpu_gp(c, i, 0);
	if ((v & CR4_PCIDE) && !(old & CR4_PCIDE) &&
	    (!cpu_long_mode(c) || (c->cr3 & 0xfff)))
		cpu_gp(c, i, 0);
	if ((c->cr0 & CR0_PG) && !cpu_long_mode(c) && (v & CR4_PAE) &&
	    ((old ^ v) & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) &&
	    !paging_load_pdptes(c, c->cr3))
		cpu_gp(c, i, 0);
	c->cr4 = v;
	if ((old ^ v) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_PCIDE | CR4_SMEP |
	    CR4_SMAP))
		paging_flush_all(c);
	cpu_mode_changed(c);
}

static void
mov_cr(struct cpu *c, const struct insn *i)
{
	bool write = i->opd[0].kind == OPD_CR;
	unsigned n = i->opd[write ? 0 : 1].off;
	uint64_t v;

	cpu_need_cpl0(c, i);
	if (n == 1 || (n > 4 && n != 8))
		cpu_ud(c, i);
	if (!write) {
		v = n == 0 ? c->cr0 : n == 2 ? c->cr2 : n == 3 ? c->cr3 :
		    n == 4 ? c->cr4 : c->apic.tpr ?
		    c->apic.tpr(c->apic.opaque) : 0;
		opd_put(c, i, 0, v, i->opd[0].size);
		return;
	}
	v = opd_get(c, i, 1, i->opd[1].size);
	switch (n) {
	case 0: write_cr0(c, i, v); break;
	case 2: c->cr2 = v; break;
	case 3: write_cr3(c, i, v); break;
	case 4: write_cr4(c, i, v); break;
	default:
		if (v >> 4)
			cpu_gp(c, i, 0);
		if (c->apic.set_tpr)
			c->apic.set_tpr(c->apic.opaque, v);
	}
}

EXEC(x_mov_cr) { mov_cr(c, i); }

static void
mov_dr(struct cpu *c, const struct insn *i)
{
	bool write = i->opd[0].kind == OPD_DR;
	unsigned n = i->opd[write ? 0 : 1].off;
	uint64_t v;

	if (n > 7)
		cpu_ud(c, i);
	cpu_need_cpl0(c, i);
	if (n == 4 || n == 5) {
		if (c->cr4 & CR4_DE)
			cpu_ud(c, i);
		n += 2;
	}
	if (c->dr[7] & DR7_GD) {
		c->dr[6] |= DR6_BD;
		cpu_fault(c, i, EXC_DB);
	}
	if (!write) {
		opd_put(c, i, 0, c->dr[n], i->opd[0].size);
		return;
	}
	v = opd_get(c, i, 1, i->opd[1].size);
	if (n >= 6 && v >> 32)
		cpu_gp(c, i, 0);
	if (n == 6)
		v = (v & 0xe00f) | DR6_ONES;
	else if (n == 7)
		v = (v & 0xffff2bff) | 0x400;
	c->dr[n] = v;
	if (n != 6)
		paging_flush_views(c);
}

EXEC(x_mov_dr) { mov_dr(c, i); }

EXEC(x_clts)
{
	cpu_need_cpl0(c, i);
	c->cr0 &= ~(uint64_t)CR0_TS;
	fp_mode_changed(c);
}

static void
need_umip(struct cpu *c, const struct insn *i)
{
	if ((c->cr4 & CR4_UMIP) && c->cpl != 0)
		cpu_gp(c, i, 0);
}

EXEC(x_smsw)
{
	need_umip(c, i);
	opd_put_word(c, i, c->cr0);
}

EXEC(x_lmsw)
{
	uint64_t v;

	cpu_need_cpl0(c, i);
	v = opd_get(c, i, 0, i->opd[0].size) & 15;
	/* cannot leave protected mode */
	write_cr0(c, i, (c->cr0 & ~14ull) | v);
}

/* --- Descriptor tables ------------------------------------------------------------------- */

static void
store_table(struct cpu *c, const struct insn *i, uint64_t base,
    uint16_t limit)
{
	uint8_t bytes[10];
	unsigned n = c->bits == DECODE_64 ? 10 : 6;

	need_umip(c, i);
	memcpy(bytes, &limit, 2);
	memcpy(bytes + 2, &base, 8);
	cpu_store_bytes(c, i, cpu_linear(c, i, n, TLB_WRITE), bytes, n);
}

EXEC(x_sgdt) { store_table(c, i, c->gdt_base, c->gdt_limit); }
EXEC(x_sidt) { store_table(c, i, c->idt_base, c->idt_limit); }

static void
load_table(struct cpu *c, const struct insn *i, uint64_t *base,
    uint16_t *limit)
{
	uint8_t bytes[10] = { 0 };
	unsigned n = c->bits == DECODE_64 ? 10 : 6;
	uint64_t b;

	cpu_need_cpl0(c, i);
	cpu_load_bytes(c, i, cpu_linear(c, i, n, TLB_READ), bytes, n);
	memcpy(&b, bytes + 2, 8);
	if (c->bits != DECODE_64)
		b &= i->size == 2 ? 0xffffff : 0xffffffff;
	else if (!cpu_canonical(b))
		cpu_gp(c, i, 0);
	memcpy(limit, bytes, 2);
	*base = b;
}

EXEC(x_lgdt) { load_table(c, i, &c->gdt_base, &c->gdt_limit); }
EXEC(x_lidt) { load_table(c, i, &c->idt_base, &c->idt_limit); }

static void
need_protected(struct cpu *c, const struct insn *i)
{
	if (!cpu_protected(c) || cpu_v86(c))
		cpu_ud(c, i);
}

EXEC(x_sldt)
{
	need_protected(c, i);
	need_umip(c, i);
	opd_put_word(c, i, c->ldtr.selector);
}

EXEC(x_str)
{
	need_protected(c, i);
	need_umip(c, i);
	opd_put_word(c, i, c->tr.selector);
}

static void
lldt(struct cpu *c, const struct insn *i)
{
	uint16_t selector;
	struct descriptor d;

	need_protected(c, i);
	cpu_need_cpl0(c, i);
	selector = opd_get(c, i, 0, i->opd[0].size);
	if (!(selector & ~3)) {
		c->ldtr = (struct cpu_segment){ .selector = selector };
		return;
	}
	if ((selector & 4) || !descriptor_read(c, i, selector, &d) ||
	    desc_s(&d) || desc_type(&d) != 2)
		cpu_gp(c, i, selector & ~3);
	if (!desc_p(&d))
		cpu_fault_error(c, i, EXC_NP, selector & ~3);
	c->ldtr = descriptor_segment(&d, selector);
}

EXEC(x_lldt) { lldt(c, i); }

static void
ltr(struct cpu *c, const struct insn *i)
{
	uint16_t selector;
	struct descriptor d;

	need_protected(c, i);
	cpu_need_cpl0(c, i);
	selector = opd_get(c, i, 0, i->opd[0].size);
	if (!(selector & ~3) || (selector & 4) ||
	    !descriptor_read(c, i, selector, &d) || desc_s(&d) ||
	    (desc_type(&d) != 9 &&
	    (desc_type(&d) != 1 || cpu_long_mode(c))))
		cpu_gp(c, i, selector & ~3);
	if (!desc_p(&d))
		cpu_fault_error(c, i, EXC_NP, selector & ~3);
	descriptor_set_bits(c, i, &d, DESC_BUSY);
	c->tr = descriptor_segment(&d, selector);
	c->tr.attr |= 2;
}

EXEC(x_ltr) { ltr(c, i); }

/* --- Looking at descriptors ------------------------------------------------------------------ */

/* The descriptor a program may look at (LAR, LSL, VERR, VERW); false: not. */
static bool
look(struct cpu *c, const struct insn *i, uint16_t selector, uint32_t types,
    struct descriptor *d)
{
	if (!(selector & ~3) || !descriptor_read(c, i, selector, d))
		return false;
	if (!desc_s(d) && !(types >> desc_type(d) & 1))
		return false;
	if (desc_s(d) && (desc_type(d) & 0xc) == 0xc)
		return true;	/* conforming code */
	return desc_dpl(d) >= c->cpl && desc_dpl(d) >= (selector & 3u);
}

static void
set_zf(struct cpu *c, bool zf)
{
	uint32_t v = flags_get(&c->flags);

	flags_put(&c->flags, zf ? v | FLAG_ZF : v & ~FLAG_ZF);
}

static void
lar_lsl(struct cpu *c, const struct insn *i, bool limit)
{
	/* 16- and 32-bit TSS, LDT; for LAR gates as well */
	uint32_t types = cpu_long_mode(c) ? 0x0a04 : 0x0a0e;
	struct descriptor d;
	uint32_t v;

	need_protected(c, i);
	if (!limit)
		types |= cpu_long_mode(c) ? 0x1000 : 0x1030;
	if (!look(c, i, opd_get(c, i, 1, i->opd[1].size), types, &d)) {
		set_zf(c, false);
		return;
	}
	v = limit ? descriptor_segment(&d, 0).limit :
	    (d.raw >> 32) & 0x00f0ff00;
	if (i->size == 2)
		gpr_put16(c, i->opd[0].off, v);
	else
		gpr_put32(c, i->opd[0].off, v);
	set_zf(c, true);
}

EXEC(x_lar) { lar_lsl(c, i, false); }
EXEC(x_lsl) { lar_lsl(c, i, true); }

static void
verify(struct cpu *c, const struct insn *i, bool write)
{
	struct descriptor d;
	bool good;

	need_protected(c, i);
	good = look(c, i, opd_get(c, i, 0, i->opd[0].size), 0, &d);
	if (good && write)
		good = (desc_type(&d) & 0xa) == 2;
	else if (good)
		good = (desc_type(&d) & 0xa) != 8;
	set_zf(c, good);
}

EXEC(x_verr) { verify(c, i, false); }
EXEC(x_verw) { verify(c, i, true); }

static void
arpl(struct cpu *c, const struct insn *i)
{
	uint16_t a, b;

	need_protected(c, i);
	if (i->opd[0].kind == OPD_MEM)
		cpu_probe(c, i, cpu_linear(c, i, 2, TLB_WRITE), 2, TLB_WRITE);
	a = opd_get(c, i, 0, i->opd[0].size);
	b = gpr_get16(c, i->opd[1].off);
	if ((a & 3) < (b & 3)) {
		opd_put(c, i, 0, (a & ~3) | (b & 3), i->opd[0].size);
		set_zf(c, true);
	} else {
		set_zf(c, false);
	}
}

EXEC(x_arpl) { arpl(c, i); }

/* --- Interrupt flag, flags ------------------------------------------------------------------------------- */

/* CLI and STI below IOPL may work on VIF (20.3, PVI): true. */
static bool
virtual_if(struct cpu *c, const struct insn *i)
{
	if (!cpu_protected(c) || c->cpl <= cpu_iopl(c))
		return false;
	if (cpu_v86(c) ? !(c->cr4 & CR4_VME) :
	    !(c->cr4 & CR4_PVI) || c->cpl != 3)
		cpu_gp(c, i, 0);
	return true;
}

EXEC(x_cli)
{
	if (virtual_if(c, i))
		c->eflags &= ~FLAG_VIF;
	else
		c->eflags &= ~FLAG_IF;
}

EXEC(x_sti)
{
	if (virtual_if(c, i)) {
		if (c->eflags & FLAG_VIP)
			cpu_gp(c, i, 0);
		c->eflags |= FLAG_VIF;
	} else {
		if (!(c->eflags & FLAG_IF))
			c->shadow = SHADOW_STI;
		c->eflags |= FLAG_IF;
	}
}

EXEC(x_pushf)
{
	uint32_t v = cpu_eflags(c) & ~(FLAG_RF | FLAG_VM);

	if (cpu_v86(c) && cpu_iopl(c) < 3) {
		if (!(c->cr4 & CR4_VME) || i->size != 2)
			cpu_gp(c, i, 0);
		v = (v & ~FLAG_IF) | FLAG_IOPL |
		    (c->eflags & FLAG_VIF ? FLAG_IF : 0);
	}
	cpu_push(c, i, i->size, v);
}

static void
popf(struct cpu *c, const struct insn *i)
{
	uint32_t mask = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT, v;
	unsigned n = i->size;
	uint64_t lin = cpu_stack_linear(c, i, 0, n, TLB_READ);
	bool virtual = cpu_v86(c) && cpu_iopl(c) < 3;

	v = n == 2 ? cpu_load16(c, i, lin) : n == 4 ? cpu_load32(c, i, lin) :
	    cpu_load64(c, i, lin);
	if (virtual) {
		if (!(c->cr4 & CR4_VME) || n != 2 || (v & FLAG_TF) ||
		    ((v & FLAG_IF) && (c->eflags & FLAG_VIP)))
			cpu_gp(c, i, 0);
		c->eflags = v & FLAG_IF ? c->eflags | FLAG_VIF :
		    c->eflags & ~FLAG_VIF;
	}
	if (n != 2)
		mask |= FLAG_AC | FLAG_ID;
	if (c->cpl <= cpu_iopl(c) && !virtual)
		mask |= FLAG_IF;
	if (c->cpl == 0)
		mask |= FLAG_IOPL;
	cpu_set_sp(c, c->gpr[RSP] + n);
	c->eflags &= ~FLAG_RF;
	cpu_set_eflags(c, v, mask);
}

EXEC(x_popf) { popf(c, i); }

EXEC(x_clac)
{
	if (c->cpl)
		cpu_ud(c, i);	/* no #GP: SDM, CLAC */
	c->eflags &= ~FLAG_AC;
	paging_select_view(c);
}

EXEC(x_stac)
{
	if (c->cpl)
		cpu_ud(c, i);	/* no #GP: SDM, STAC */
	c->eflags |= FLAG_AC;
	paging_select_view(c);
}

EXEC(x_hlt)
{
	cpu_need_cpl0(c, i);
	c->halted = true;
}

/* --- Caches and translations ------------------------------------------------------------------------------- */

EXEC(x_invd) { cpu_need_cpl0(c, i); }
EXEC(x_wbinvd) { cpu_need_cpl0(c, i); }

EXEC(x_invlpg)
{
	uint64_t lin;

	cpu_need_cpl0(c, i);
	lin = cpu_ea(c, i);
	if (i->flags & INSN_CHECKED)
		lin += c->seg[i->seg].base;
	if (c->bits != DECODE_64)
		lin = (uint32_t)lin;
	if (cpu_canonical(lin))
		paging_invlpg(c, lin);
}

static void
invpcid(struct cpu *c, const struct insn *i)
{
	uint64_t type, d[2];

	cpu_need_cpl0(c, i);
	if (!cpu_model_has(c->model, EXTRA_PCID))
		cpu_ud(c, i);
	type = i->opd[0].size == 8 ? gpr_get64(c, i->opd[0].off) :
	    gpr_get32(c, i->opd[0].off);
	cpu_load_bytes(c, i, cpu_linear(c, i, 16, TLB_READ), d, 16);
	if (type > 3 || (d[0] >> 12) || (type == 0 && !cpu_canonical(d[1])) ||
	    (type < 2 && d[0] && !(c->cr4 & CR4_PCIDE)))
		cpu_gp(c, i, 0);
	paging_invpcid(c, type, d[0], d[1]);
}

EXEC(x_invpcid) { invpcid(c, i); }

/* --- MSRs, time, identity ------------------------------------------------------------------------------------- */

static void
put_pair(struct cpu *c, uint64_t v)
{
	c->gpr[RAX] = (uint32_t)v;
	c->gpr[RDX] = v >> 32;
}

static void
rdmsr(struct cpu *c, const struct insn *i)
{
	uint64_t v;

	cpu_need_cpl0(c, i);
	if (!msr_read(c, c->gpr[RCX], &v))
		cpu_gp(c, i, 0);
	put_pair(c, v);
}

EXEC(x_rdmsr) { rdmsr(c, i); }

EXEC(x_wrmsr)
{
	cpu_need_cpl0(c, i);
	if (!msr_write(c, c->gpr[RCX], (uint32_t)c->gpr[RAX] |
	    c->gpr[RDX] << 32))
		cpu_gp(c, i, 0);
}

static void
need_tsc(struct cpu *c, const struct insn *i)
{
	if ((c->cr4 & CR4_TSD) && c->cpl != 0)
		cpu_gp(c, i, 0);
}

EXEC(x_rdtsc)
{
	need_tsc(c, i);
	put_pair(c, cpu_tsc(c));
}

EXEC(x_rdtscp)
{
	need_tsc(c, i);
	put_pair(c, cpu_tsc(c));
	c->gpr[RCX] = c->tsc_aux;
}

EXEC(x_rdpmc)
{
	/* no counters */
	cpu_gp(c, i, 0);
}

static void
do_cpuid(struct cpu *c)
{
	uint32_t leaf = c->gpr[RAX];
	struct cpuid r = cpu_model_cpuid(c->model, c->id, leaf, c->gpr[RCX]);
	uint64_t base;

	if (leaf == 1) {
		if (c->cr4 & CR4_OSXSAVE)
			r.ecx |= 1u << 27;
		/* the APIC switched off by its base register */
		if (c->apic.rdmsr && c->apic.rdmsr(c->apic.opaque, 0x1b,
		    &base) && !(base & 0x800))
			r.edx &= ~(1u << 9);
	} else if (leaf == 0xd && (uint32_t)c->gpr[RCX] == 0 && r.eax) {
		r.ebx = c->xcr0 & 4 ? 832 : 576;
	}
	c->gpr[RAX] = r.eax;
	c->gpr[RBX] = r.ebx;
	c->gpr[RCX] = r.ecx;
	c->gpr[RDX] = r.edx;
}

EXEC(x_cpuid) { do_cpuid(c); }

EXEC(x_monitor)
{
	cpu_need_cpl0(c, i);
	if (c->gpr[RCX])
		cpu_gp(c, i, 0);
	cpu_load8(c, i, cpu_linear_at(c, i, c->gpr[RAX], 1, TLB_READ));
}

EXEC(x_mwait)
{
	/* Nothing is watched: as a PAUSE, an implementation may end the wait
	 * at any time (SDM 2, MWAIT). */
	cpu_need_cpl0(c, i);
	if (c->gpr[RCX] & ~1ull)
		cpu_gp(c, i, 0);
}

/* --- Ports --------------------------------------------------------------------------------------------------------- */

void
cpu_check_io(struct cpu *c, const struct insn *i, uint16_t port,
    unsigned size)
{
	uint32_t map, bits;

	if (!cpu_protected(c) || (c->cpl <= cpu_iopl(c) && !cpu_v86(c)))
		goto allowed;
	/* The TSS is a 32- or 64-bit one, the bitmap below its limit. */
	if (!(c->tr.attr & ATTR_P) || (c->tr.attr & 0xd) != 9 ||
	    c->tr.limit < 0x67)
		cpu_gp(c, i, 0);
	map = cpu_system_load(c, i, c->tr.base + 0x66, 2) + port / 8;
	if (map + 1 > c->tr.limit)
		cpu_gp(c, i, 0);
	bits = cpu_system_load(c, i, c->tr.base + map, 2);
	if (bits >> (port & 7) & ((1u << size) - 1))
		cpu_gp(c, i, 0);
allowed:
	debug_check_io(c, port, size);
}
