/* Reads pictures of 784 bytes, one after the other, and prints the label and the logits of each.
 *
 *     ./nano < pictures */
#include <stdio.h>

#include "nano.h"

int main(void)
{
    static const char *const labels[NANO_CLASSES] = NANO_LABELS;
    static uint8_t image[NANO_PIXELS];
    size_t read;
    while ((read = fread(image, 1, sizeof image, stdin)) == sizeof image) {
        int8_t logits[NANO_CLASSES];
        printf("%s", labels[nano_classify(image, logits)]);
        for (int c = 0; c < NANO_CLASSES; c++) {
            printf("\t%d", logits[c]);
        }
        putchar('\n');
    }
    if (read != 0) {
        fprintf(stderr, "nano: expected %d bytes a picture, received %d\n", NANO_PIXELS, (int)read);
        return 2;
    }
    return 0;
}
