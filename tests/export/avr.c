/* Classify the pictures of pictures.h on an AVR, and send the logits of each through the serial port. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/sleep.h>

#include "micro.h"
#include "pictures.h"

static void send(char letter)
{
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = (uint8_t)letter;
}

static void send_number(int number)
{
    char digits[4];
    int count = 0;
    send(number < 0 ? '-' : ' ');
    for (unsigned left = (unsigned)(number < 0 ? -number : number); left != 0 || count == 0; left /= 10) {
        digits[count++] = (char)('0' + left % 10);
    }
    while (count > 0) {
        send(digits[--count]);
    }
}

int main(void)
{
    static uint8_t picture[MICRO_PIXELS];
    int8_t logits[MICRO_CLASSES];
    UCSR0B = 1 << TXEN0;
    for (unsigned i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        memcpy_P(picture, pictures[i], sizeof picture);
        micro_classify(picture, logits);
        for (int c = 0; c < MICRO_CLASSES; c++) {
            send_number(logits[c]);
        }
        send('\n');
    }
    cli();
    sleep_enable();
    sleep_cpu(); /* for ever: the emulator ends here */
}
