/* Reads pictures of 784 bytes, one after the other, and prints the label and the logits of each.
 *
 *     ./micro < pictures */
#include <stdio.h>

#include "micro.h"

int main(void)
{
    static const char *const labels[MICRO_CLASSES] = MICRO_LABELS;
    static uint8_t image[MICRO_PIXELS];
    size_t read;
    while ((read = fread(image, 1, sizeof image, stdin)) == sizeof image) {
        int8_t logits[MICRO_CLASSES];
        printf("%s", labels[micro_classify(image, logits)]);
        for (int c = 0; c < MICRO_CLASSES; c++) {
            printf("\t%d", logits[c]);
        }
        putchar('\n');
    }
    if (read != 0) {
        fprintf(stderr, "micro: expected %d bytes a picture, received %d\n", MICRO_PIXELS, (int)read);
        return 2;
    }
    return 0;
}
