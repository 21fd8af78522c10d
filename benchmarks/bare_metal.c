/* A network on a bare Cortex-M or RISC-V, without an operating system or a C library's startup, as qemu's boards have them.
 *
 * It reads pictures from the host's file "pictures", writes for each its class and its logits, a byte each, to the
 * host's file "logits", and prints what that took: instructions, and the deepest stack. The network is named by macros:
 *
 *     arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O2 -DHEADER='"micro.h"' -DCLASSIFY=micro_classify
 *         -DPIXELS=MICRO_PIXELS -DCLASSES=MICRO_CLASSES -nostartfiles -T bare_metal.ld -Wl,--defsym=start_at=0
 *         -Wl,--defsym=flash_at=0x400 -Wl,--defsym=ram_at=0x20000000 bare_metal.c micro.c
 *     qemu-system-arm -M mps2-an386 -nographic -icount shift=0 -semihosting-config enable=on,target=native -kernel a.out
 *
 * With -DSELFTEST it calls the main() of a self-test instead, whose printf is newlib's (--specs=rdimon.specs). */
#include <stddef.h>
#include <stdint.h>

/* What a debugger, or qemu in its place, does for the program: Arm's "Semihosting for AArch32 and AArch64". */
enum { OPEN = 1, CLOSE = 2, PRINT = 4, WRITE = 5, READ = 6, EXIT_EXTENDED = 0x20 };
enum { APPLICATION_EXIT = 0x20026 };

#ifdef __riscv
int32_t host(int32_t operation, const void *argument);
__asm__(".option push\n   .option norvc\n   .option norelax\n   .balign 16\nhost:\n"
        "   slli zero, zero, 0x1f\n   ebreak\n   srai zero, zero, 7\n   ret\n   .option pop");
#else
static int32_t host(int32_t operation, const void *argument)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
#endif

static void leave(int32_t status)
{
    const int32_t reason[2] = { APPLICATION_EXIT, status };
    host(EXIT_EXTENDED, reason);
    for (;;) {
    }
}

extern uint32_t stack_top[];
void reset(void);

#ifdef __riscv
/* qemu's board runs what is at the beginning of its memory. */
__asm__(".pushsection .start, \"ax\"\n   la sp, stack_top\n   j reset\n   .popsection");
#else
/* The first two words of memory are all that a Cortex-M needs to start: where its stack begins, and what it runs. */
struct vectors {
    uint32_t *stack;
    void (*reset)(void);
};

__attribute__((section(".start"), used)) static const struct vectors vectors = { stack_top, reset };
#endif

/* Vector instructions are off until they are wanted. */
static void start(void)
{
#ifdef __ARM_FEATURE_MVE
    *(volatile uint32_t *)0xe000ed88 |= 0xf << 20; /* the coprocessors 10 and 11 in CPACR */
    __asm__ volatile("dsb\n   isb" : : : "memory");
#endif
}

#ifdef SELFTEST

int main(void);
void initialise_monitor_handles(void);

void reset(void)
{
    start();
    initialise_monitor_handles();
    leave(main());
}

#else

#include HEADER

enum { PAINTED = 4096, PAINT = 0xa5 }; /* bytes of stack that are watched */
enum { READ_BINARY = 1, WRITE_BINARY = 5 };

static int32_t open(const char *name, uint32_t length, int32_t mode)
{
    const struct {
        const char *name;
        int32_t mode;
        uint32_t length;
    } request = { name, mode, length };
    int32_t file = host(OPEN, &request);
    if (file < 0) {
        host(PRINT, "a file of the host cannot be opened\n");
        leave(2);
    }
    return file;
}

/* Read or write; the bytes that were not. */
static int32_t transfer(int32_t operation, int32_t file, void *bytes, uint32_t length)
{
    const struct {
        int32_t file;
        void *bytes;
        uint32_t length;
    } request = { file, bytes, length };
    return host(operation, &request);
}

static void say(const char *what, uint64_t number)
{
    char text[24], *first = text + sizeof text - 1;
    *first = 0;
    *--first = '\n';
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    host(PRINT, what);
    host(PRINT, first);
}

/* Ticks of 2 * LOOPS instructions: what a tick is, is measured and not believed. */
enum { LOOPS = 1000000 };

#ifdef __riscv
/* A tick is an instruction. */
static uint32_t clock(void)
{
    uint32_t instructions;
    __asm__ volatile(".option push\n   .option arch, +zicsr\n   csrr %0, minstret\n   .option pop" : "=r"(instructions));
    return instructions;
}

static void start_clock(void)
{
}

static uint32_t ticks_since(uint32_t start)
{
    return clock() - start;
}

#define COUNT_DOWN "1: addi %0, %0, -1\n   bnez %0, 1b"
#else
/* SysTick counts down from 2^24 - 1 with the processor's clock. qemu's -icount shift=0 lets a nanosecond go by for each
 * instruction, whichever it is, so that a tick is as many instructions as the clock's period has nanoseconds. A picture
 * may take 2^24 ticks, 671 million instructions at 25 MHz. */
struct systick {
    volatile uint32_t control, reload, current;
};
#define SYSTICK ((struct systick *)0xe000e010)
enum { MAX_TICKS = 0xffffff, ENABLED_BY_PROCESSOR_CLOCK = 5 };

static uint32_t clock(void)
{
    return SYSTICK->current;
}

static void start_clock(void)
{
    SYSTICK->reload = MAX_TICKS;
    SYSTICK->current = 0;
    SYSTICK->control = ENABLED_BY_PROCESSOR_CLOCK;
}

static uint32_t ticks_since(uint32_t start)
{
    return (start - clock()) & MAX_TICKS;
}

#define COUNT_DOWN "1: subs %0, %0, #1\n   bne 1b"
#endif

static uint32_t calibrate(void)
{
    uint32_t left = LOOPS, start = clock();
    __asm__ volatile(COUNT_DOWN : "+r"(left) : : "cc");
    return ticks_since(start);
}

static uint8_t *stack_pointer(void)
{
    uint8_t *pointer;
#ifdef __riscv
    __asm__ volatile("mv %0, sp" : "=r"(pointer));
#else
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
#endif
    return pointer;
}

static uint8_t image[PIXELS];
static int8_t answer[1 + CLASSES];

void reset(void)
{
    start();
    start_clock();
    uint32_t loop = calibrate();

    int32_t pictures = open("pictures", sizeof "pictures" - 1, READ_BINARY);
    int32_t logits = open("logits", sizeof "logits" - 1, WRITE_BINARY);
    uint64_t ticks = 0;
    uint32_t count = 0, deepest = 0;
    while (transfer(READ, pictures, image, sizeof image) == 0) {
        volatile uint8_t *const top = stack_pointer(), *used = top - PAINTED;
        for (volatile uint8_t *byte = top - PAINTED; byte < top; byte++) {
            *byte = PAINT;
        }
        uint32_t start = clock();
        answer[0] = (int8_t)CLASSIFY(image, answer + 1);
        ticks += ticks_since(start);
        while (used < top && *used == PAINT) {
            used++;
        }
        deepest = (uint32_t)(top - used) > deepest ? (uint32_t)(top - used) : deepest;
        if (transfer(WRITE, logits, answer, sizeof answer) != 0) {
            leave(2);
        }
        count++;
    }
    host(CLOSE, &logits);
    say("pictures ", count);
    say("loop_instructions ", 2 * LOOPS);
    say("loop_ticks ", loop);
    say("instructions ", ticks * 2 * LOOPS / loop);
    say("stack ", deepest);
    leave(0);
}

#endif
