/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A boot sector: greets, reads its disk by the BIOS, and says what it found.
 *
 * The BIOS loads it at 0:7c00 with the drive's number in DL.  It reads the
 * second sector (int 13h AH=42h where the drive has it, for hard disks; AH=02h
 * for floppies), prints the text in it, adds up its bytes and prints the sum,
 * writes the third sector and reads it back.  Then a key reboots.  All it
 * says goes to the screen (int 10h AH=0eh) and to the first serial port.
 *
 *	gcc -m32 -c hello.S; ld -m elf_i386 -Ttext 0x7c00 --oformat binary
 */
	.code16
	.globl	_start
_start:
	ljmp	$0, $1f
1:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	cli
	mov	%ax, %ss
	mov	$0x7c00, %sp
	sti
	cld
	mov	%dl, drive
	call	serial_init

	mov	$greeting, %si
	call	print
	mov	drive, %al
	call	print_hex
	call	newline

	mov	$0x42, %ah
	mov	$1, %al
	call	transfer
	mov	$0x8000, %si
	call	print

	mov	$sum_text, %si
	call	print
	mov	$0x8000, %si
	mov	$512, %cx
	xor	%dx, %dx
	xor	%ax, %ax
1:	lodsb
	add	%ax, %dx
	loop	1b
	mov	%dh, %al
	call	print_hex
	mov	%dl, %al
	call	print_hex
	call	newline

	/* The third sector: what the second had, upside down. */
	mov	$0x8000, %si
	mov	$512, %cx
1:	notb	(%si)
	inc	%si
	loop	1b
	mov	$0x43, %ah
	mov	$2, %al
	call	transfer
	mov	$0x8000, %di
	mov	$512, %cx
	xor	%al, %al
	rep stosb
	mov	$0x42, %ah
	mov	$2, %al
	call	transfer
	mov	$0x8000, %si
	mov	$512, %cx
1:	notb	(%si)
	inc	%si
	loop	1b
	mov	$written, %si
	call	print
	mov	$0x8000, %si
	call	print

	mov	$any_key, %si
	call	print
	xor	%ah, %ah
	int	$0x16
	int	$0x19
	jmp	.

/* One sector, number AL, to or from 0:8000.  AH: 42h reads, 43h writes. */
transfer:
	movzbw	%al, %cx
	mov	%cx, packet_sector
	mov	drive, %dl
	test	$0x80, %dl
	jz	floppy
	mov	$packet, %si
	xor	%al, %al
	int	$0x13
	jc	failed
	ret
floppy:
	sub	$0x40, %ah
	mov	$1, %al
	inc	%cx			/* sectors count from 1 */
	xor	%dh, %dh
	mov	$0x8000, %bx
	int	$0x13
	jc	failed
	ret
failed:
	push	%ax
	mov	$error_text, %si
	call	print
	pop	%ax
	mov	%ah, %al
	call	print_hex
	call	newline
1:	hlt
	jmp	1b

print_hex:
	push	%ax
	shr	$4, %al
	call	1f
	pop	%ax
1:	and	$15, %al
	cmp	$10, %al
	sbb	$0x69, %al
	das
	jmp	putc

newline:
	mov	$crlf, %si
print:	lodsb
	test	%al, %al
	jz	1f
	call	putc
	jmp	print
1:	ret

putc:	pusha
	push	%ax
	mov	$7, %bx
	mov	$0x0e, %ah
	int	$0x10
	mov	$0x3fd, %dx
1:	in	%dx, %al		/* transmitter empty */
	test	$0x20, %al
	jz	1b
	pop	%ax
	mov	$0x3f8, %dx
	out	%al, %dx
	popa
	ret

serial_init:
	mov	$0x3fb, %dx
	mov	$3, %al			/* 8 bits, no parity */
	out	%al, %dx
	ret

greeting: .asciz "Hello from cowbird! Drive "
sum_text: .asciz "Its sum is "
written: .asciz "Written and read back: "
error_text: .asciz "Disk error "
any_key: .ascii "Press a key."
crlf:	.asciz "\r\n"
	.balign 4
packet:	.byte 16, 0
	.word 1
	.word 0x8000, 0
packet_sector:
	.quad 0
drive:	.byte 0

	.org	510
	.word	0xaa55
	/* The second sector. */
	.asciz	"This is sector 1 of the disk.\r\n"
	.org	1024
	/* The third, to be written to. */
	.org	1536
