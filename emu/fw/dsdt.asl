/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dsdt.asl - the board in ACPI's own language (ACPI 6.4, section 19)
 *
 * Four values are written over by fw/acpi.c: how many processors there are,
 * which optional devices, where the window for PCI memory begins, and where
 * the power management registers are.  Each is a Name of a 32-bit number.
 */
DefinitionBlock ("", "DSDT", 2, "COWBRD", "COWBIRD", 1)
{
	Name (NCPU, 0x12345678)
	Name (BRDF, 0x12345678)		/* 1 COM1, 2 COM2, 4 floppy, 8 HPET */
	Name (PMIN, 0x12345678)
	Name (PMBS, 0x12345678)

#define THERE_IF(condition) \
	Method (_STA) { If (condition) { Return (0x0f) } Return (0) }

	/* Power off is the only sleeping state. */
	Name (\_S5, Package () { 0, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)

			Method (_CRS, 0, Serialized)
			{
				Name (RBUF, ResourceTemplate ()
				{
					WordBusNumber (ResourceProducer,
					    MinFixed, MaxFixed, PosDecode,
					    0, 0, 0xff, 0, 0x100)
					IO (Decode16, 0xcf8, 0xcf8, 1, 8)
					WordIO (ResourceProducer, MinFixed,
					    MaxFixed, PosDecode, EntireRange,
					    0, 0, 0xcf7, 0, 0xcf8)
					WordIO (ResourceProducer, MinFixed,
					    MaxFixed, PosDecode, EntireRange,
					    0, 0xd00, 0xffff, 0, 0xf300)
					DWordMemory (ResourceProducer,
					    PosDecode, MinFixed, MaxFixed,
					    Cacheable, ReadWrite,
					    0, 0xa0000, 0xbffff, 0, 0x20000)
					DWordMemory (ResourceProducer,
					    PosDecode, MinFixed, MaxFixed,
					    NonCacheable, ReadWrite,
					    0, 0xe0000000, 0xfebfffff, 0,
					    0x1ec00000,,, MEM1)
				})
				CreateDWordField (RBUF, MEM1._MIN, LOW1)
				CreateDWordField (RBUF, MEM1._LEN, LEN1)
				LOW1 = PMIN
				LEN1 = 0xfec00000 - PMIN
				Return (RBUF)
			}

			/* --- Interrupts: slot n's pin INTx is PIRQ
			 * (n - 1 + x) & 3, on PICs and IO-APIC alike ------- */

			Name (_PRT, Package ()
			{
#define SLOT(n, a, b, c, d) \
				Package () { n##ffff, 0, a, 0 }, \
				Package () { n##ffff, 1, b, 0 }, \
				Package () { n##ffff, 2, c, 0 }, \
				Package () { n##ffff, 3, d, 0 }
#define SLOT0(n) SLOT (n, LNKD, LNKA, LNKB, LNKC)
#define SLOT1(n) SLOT (n, LNKA, LNKB, LNKC, LNKD)
#define SLOT2(n) SLOT (n, LNKB, LNKC, LNKD, LNKA)
#define SLOT3(n) SLOT (n, LNKC, LNKD, LNKA, LNKB)
				/* Function 3 of slot 1 has its own line. */
				Package () { 0x1ffff, 0, LNKS, 0 },
				Package () { 0x1ffff, 1, LNKB, 0 },
				Package () { 0x1ffff, 2, LNKC, 0 },
				Package () { 0x1ffff, 3, LNKD, 0 },
				SLOT2 (0x2), SLOT3 (0x3),
				SLOT0 (0x4), SLOT1 (0x5), SLOT2 (0x6),
				SLOT3 (0x7), SLOT0 (0x8), SLOT1 (0x9),
				SLOT2 (0xa), SLOT3 (0xb), SLOT0 (0xc),
				SLOT1 (0xd), SLOT2 (0xe), SLOT3 (0xf),
				SLOT0 (0x10), SLOT1 (0x11), SLOT2 (0x12),
				SLOT3 (0x13), SLOT0 (0x14), SLOT1 (0x15),
				SLOT2 (0x16), SLOT3 (0x17), SLOT0 (0x18),
				SLOT1 (0x19), SLOT2 (0x1a), SLOT3 (0x1b),
				SLOT0 (0x1c), SLOT1 (0x1d), SLOT2 (0x1e),
				SLOT3 (0x1f)
			})

			Device (ISA)
			{
				Name (_ADR, 0x00010000)
				OperationRegion (ROUT, PCI_Config, 0x60, 4)
				Field (ROUT, ByteAcc, NoLock, Preserve)
				{
					PRQ0, 8,
					PRQ1, 8,
					PRQ2, 8,
					PRQ3, 8
				}
			}

			Device (PM)
			{
				Name (_ADR, 0x00010003)
			}
		}

#define LINK(name, uid, reg) \
		Device (name) \
		{ \
			Name (_HID, EisaId ("PNP0C0F")) \
			Name (_UID, uid) \
			Name (_PRS, ResourceTemplate () \
			{ \
				Interrupt (ResourceConsumer, Level, \
				    ActiveHigh, Shared) { 5, 10, 11 } \
			}) \
			Method (_STA) \
			{ \
				If (\_SB.PCI0.ISA.reg & 0x80) \
				{ \
					Return (0x09) \
				} \
				Return (0x0b) \
			} \
			Method (_DIS) \
			{ \
				\_SB.PCI0.ISA.reg = 0x80 \
			} \
			Method (_CRS, 0, Serialized) \
			{ \
				Name (RBUF, ResourceTemplate () \
				{ \
					Interrupt (ResourceConsumer, Level, \
					    ActiveHigh, Shared) { 0 } \
				}) \
				CreateDWordField (RBUF, 5, IRQN) \
				If (!(\_SB.PCI0.ISA.reg & 0x80)) \
				{ \
					IRQN = \_SB.PCI0.ISA.reg & 0x0f \
				} \
				Return (RBUF) \
			} \
			Method (_SRS, 1) \
			{ \
				CreateDWordField (Arg0, 5, IRQN) \
				\_SB.PCI0.ISA.reg = IRQN \
			} \
		}

		LINK (LNKA, 0, PRQ0)
		LINK (LNKB, 1, PRQ1)
		LINK (LNKC, 2, PRQ2)
		LINK (LNKD, 3, PRQ3)

		/* Power management's interrupt is wired to IRQ 9. */
		Device (LNKS)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 4)
			Name (_PRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Level, ActiveHigh,
				    Shared) { 9 }
			})
			Name (_CRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Level, ActiveHigh,
				    Shared) { 9 }
			})
			Method (_STA) { Return (0x0b) }
			Method (_DIS) { }
			Method (_SRS, 1) { }
		}
	}

	Scope (\_SB.PCI0.ISA)
	{
		Device (PIC)
		{
			Name (_HID, EisaId ("PNP0000"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x20, 0x20, 0, 2)
				IO (Decode16, 0xa0, 0xa0, 0, 2)
				IO (Decode16, 0x4d0, 0x4d0, 0, 2)
				IRQNoFlags () { 2 }
			})
		}
		Device (DMAC)
		{
			Name (_HID, EisaId ("PNP0200"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x00, 0x00, 0, 0x10)
				IO (Decode16, 0x81, 0x81, 0, 0x0f)
				IO (Decode16, 0xc0, 0xc0, 0, 0x20)
				DMA (Compatibility, NotBusMaster, Transfer8)
				    { 4 }
			})
		}
		Device (TMR)
		{
			Name (_HID, EisaId ("PNP0100"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x40, 0x40, 0, 4)
				IRQNoFlags () { 0 }
			})
		}
		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 0, 2)
				IRQNoFlags () { 8 }
			})
		}
		Device (SPKR)
		{
			Name (_HID, EisaId ("PNP0800"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x61, 0x61, 0, 1)
			})
		}
		Device (FPU)
		{
			Name (_HID, EisaId ("PNP0C04"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0xf0, 0xf0, 0, 0x10)
				IRQNoFlags () { 13 }
			})
		}
		Device (KBD)
		{
			Name (_HID, EisaId ("PNP0303"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x60, 0x60, 0, 1)
				IO (Decode16, 0x64, 0x64, 0, 1)
				IRQNoFlags () { 1 }
			})
		}
		Device (MOU)
		{
			Name (_HID, EisaId ("PNP0F13"))
			Name (_CRS, ResourceTemplate ()
			{
				IRQNoFlags () { 12 }
			})
		}
		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			THERE_IF (BRDF & 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3f8, 0x3f8, 0, 8)
				IRQNoFlags () { 4 }
			})
		}
		Device (COM2)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 2)
			THERE_IF (BRDF & 2)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x2f8, 0x2f8, 0, 8)
				IRQNoFlags () { 3 }
			})
		}
		Device (FDC0)
		{
			Name (_HID, EisaId ("PNP0700"))
			THERE_IF (BRDF & 4)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3f2, 0x3f2, 0, 4)
				IO (Decode16, 0x3f7, 0x3f7, 0, 1)
				IRQNoFlags () { 6 }
				DMA (Compatibility, NotBusMaster, Transfer8)
				    { 2 }
			})
		}
		/* What no driver is to take for its own. */
		Device (RSRC)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Method (_CRS, 0, Serialized)
			{
				Name (RBUF, ResourceTemplate ()
				{
					IO (Decode16, 0x92, 0x92, 0, 1)
					IO (Decode16, 0xb2, 0xb2, 0, 2)
					IO (Decode16, 0x510, 0x510, 0, 0x0c)
					IO (Decode16, 0x600, 0x600, 0, 0x40,
					    PMIO)
				})
				CreateWordField (RBUF, PMIO._MIN, LOW)
				CreateWordField (RBUF, PMIO._MAX, HIGH)
				LOW = PMBS
				HIGH = PMBS
				Return (RBUF)
			}
		}
	}

	Scope (\_SB)
	{
		Device (HPET)
		{
			Name (_HID, EisaId ("PNP0103"))
			Name (_UID, 0)
			THERE_IF (BRDF & 8)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadOnly, 0xfed00000, 0x400)
			})
		}

#define CPU(name, n) \
		Device (name) \
		{ \
			Name (_HID, "ACPI0007") \
			Name (_UID, n) \
			THERE_IF (n < NCPU) \
		}
		CPU (CPU0, 0)
		CPU (CPU1, 1)
		CPU (CPU2, 2)
		CPU (CPU3, 3)
		CPU (CPU4, 4)
		CPU (CPU5, 5)
		CPU (CPU6, 6)
		CPU (CPU7, 7)
	}
}
