/* Runs the camera's C on what a test writes to stdin, a letter and its arguments, and writes what came of it to stdout.
 * What is given is in memory of exactly its size, so that sanitizers see what lies beyond. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_camera.h"

static void *given(size_t bytes)
{
    void *memory = malloc(bytes + (bytes == 0));
    if (memory == NULL || fread(memory, 1, bytes, stdin) != bytes) {
        exit(2);
    }
    return memory;
}

static void tell(const void *bytes, size_t count)
{
    if (fwrite(bytes, 1, count, stdout) != count) {
        exit(2);
    }
}

static void find(const int32_t *head)
{
    size_t room = (size_t)MODEL_WORKSPACE(head[0], head[1]);
    uint8_t *grey = given((size_t)(head[2] * (head[1] - 1) + head[0]));
    void *workspace = malloc(room);
    model_finding finding;
    memset(workspace, 0xa5, room);
    int32_t found = model_find(grey, head[0], head[1], head[2], workspace, &finding);
    tell(&found, sizeof found);
    tell(&finding, sizeof finding);
    free(workspace);
    free(grey);
}

static void read_row(const int32_t *head)
{
    uint8_t *grey = given((size_t)(head[0] * head[1]));
    model_box *boxes = given((size_t)head[2] * sizeof *boxes);
    model_answer answers[16];
    model_finding finding;
    void *workspace = malloc((size_t)MODEL_READ_WORKSPACE(head[0], head[1]));
    memset(answers, 0x7f, sizeof answers);
    int32_t read = model_read(grey, head[0], head[1], head[0], boxes, head[2], workspace, &finding, answers);
    tell(&read, sizeof read);
    tell(answers, sizeof answers);
    free(workspace);
    free(boxes);
    free(grey);
}

static void draw(const int32_t *head)
{
    model_point *points = given((size_t)head[0] * sizeof *points);
    uint8_t pixels[MODEL_PIXELS];
    int32_t drawn = model_draw(points, head[0], pixels);
    tell(&drawn, sizeof drawn);
    tell(pixels, sizeof pixels);
    free(points);
}

static void judge(void)
{
    int8_t *logits = given(MODEL_CLASSES);
    int32_t answer[2] = { model_accepts(logits), model_percent(logits) };
    tell(answer, sizeof answer);
    free(logits);
}

/* Returns how many wrong arguments were not refused. */
static int32_t wrong(void)
{
    static uint32_t room[MODEL_READ_WORKSPACE(160, 120) / 4];
    static uint8_t grey[160 * 120];
    static const int sizes[][3] = { { 0, 120, 160 }, { 160, 0, 160 }, { -160, 120, 160 }, { 7, 120, 160 }, { 321, 120, 321 },
        { 160, 321, 160 }, { 160, 120, 159 }, { 160, 120, -160 }, { 160, 120, 0 }, { 2147483647, 2147483647, 2147483647 } };
    static const model_box boxes[] = { { -1, 0, 20, 20 }, { 0, -1, 20, 20 }, { 141, 0, 20, 20 }, { 0, 101, 20, 20 },
        { 0, 0, 7, 20 }, { 0, 0, 20, 0 }, { 0, 0, -20, 20 }, { 32767, 0, 32767, 20 } };
    model_finding finding;
    model_answer answer;
    model_point point = { 0, 0 };
    uint8_t pixels[MODEL_PIXELS];
    int32_t passed = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int *size = sizes[i];
        passed += model_find(grey, size[0], size[1], size[2], room, &finding) != MODEL_WRONG_ARGUMENT;
    }
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        passed += model_read(grey, 160, 120, 160, &boxes[i], 1, room, &finding, &answer) != MODEL_WRONG_ARGUMENT;
    }
    passed += model_find(NULL, 160, 120, 160, room, &finding) != MODEL_WRONG_ARGUMENT;
    passed += model_find(grey, 160, 120, 160, NULL, &finding) != MODEL_WRONG_ARGUMENT;
    passed += model_find(grey, 160, 120, 160, (uint8_t *)room + 1, &finding) != MODEL_WRONG_ARGUMENT;
    passed += model_find(grey, 160, 120, 160, room, NULL) != MODEL_WRONG_ARGUMENT;
    passed += model_read(grey, 160, 120, 160, NULL, 1, room, &finding, &answer) != MODEL_WRONG_ARGUMENT;
    passed += model_read(grey, 160, 120, 160, boxes, -1, room, &finding, &answer) != MODEL_WRONG_ARGUMENT;
    passed += model_read(grey, 160, 120, 160, boxes, 1, room, NULL, &answer) != MODEL_WRONG_ARGUMENT;
    passed += model_read(grey, 160, 120, 160, boxes, 1, room, &finding, NULL) != MODEL_WRONG_ARGUMENT;
    passed += model_draw(NULL, 1, pixels) != MODEL_WRONG_ARGUMENT;
    passed += model_draw(&point, -1, pixels) != MODEL_WRONG_ARGUMENT;
    passed += model_draw(&point, 1, NULL) != MODEL_WRONG_ARGUMENT;
    return passed;
}

int main(void)
{
    for (int what = getchar(); what != EOF; what = getchar()) {
        int32_t *head = what == 'w' || what == 'j' ? NULL : given(3 * sizeof *head), passed = 0;
        switch (what) {
        case 'f':
            find(head);
            break;
        case 'r':
            read_row(head);
            break;
        case 'd':
            draw(head);
            break;
        case 'j':
            judge();
            break;
        default:
            passed = wrong();
            tell(&passed, sizeof passed);
        }
        free(head);
    }
    return 0;
}
