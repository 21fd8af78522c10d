/* Find a digit in a grey picture, read boxes, draw strokes. See nano_camera.h.
 *
 *     picture -> ink -> without printed lines -> the strokes that look most like a digit -> even strokes -> 28 x 28
 *
 * The steps and constants are those of digits_edge.runtime, in whole numbers: grey levels have 4 fractional bits, ink
 * has 13, of which 8192 is all of the paper's light. The picture is searched at 160 pixels a side at most. Each of its
 * pixels has one cell, a 13-bit value with three flags, and that is nearly all the memory there is: values are read
 * from the picture again wherever a step needs them, figures are filled in place, medians are found by counting. */
#include "nano_camera.h"

#include <string.h>

enum { WORKING = 160, ZOOMED = 48, SMALLEST = 5, RESOLVED = 64 }; /* pixels */
enum { FEW = 40, ENLARGED = 4 }; /* pictures of few pixels are enlarged */
enum { SIDE = 28, BOX = 20, DRAWN = 80, PADDED = 7 };
enum { VALUE = 0x1fff, FLAG_A = 0x2000, FLAG_B = 0x4000, FLAG_C = 0x8000 };
/* What the flags say of a pixel, step by step. */
enum { SEEN = FLAG_A, FILL = FLAG_B, MARK = FLAG_C };
enum { KEEP = FLAG_A, MARGIN = FLAG_C };
enum { INKED = FLAG_A, ACROSS = FLAG_B, DOWN = FLAG_C };
enum { NOTHING = VALUE / 2 + 1 }; /* what stands for 0 where values have a sign */
enum { LEVEL = 16, LIGHTEST = 255 * LEVEL, ALL = 8192 };

static int32_t smaller(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t within(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* A quotient, rounded to the nearest number, by a divisor above 0. */
static int32_t nearest(int32_t value, int32_t by)
{
    return value >= 0 ? (value + by / 2) / by : -((-value + by / 2) / by);
}

/* The same for what is not negative, halves to the even number. */
static int32_t nearest_even(int32_t value, int32_t by)
{
    int32_t whole = value / by, rest = 2 * (value % by);
    return whole + (rest > by || (rest == by && whole % 2 != 0));
}

/* The square root, rounded down. */
static uint32_t root(uint32_t value)
{
    uint32_t found = 0;
    for (uint32_t bit = (uint32_t)1 << 30; bit != 0; bit >>= 2) {
        if (value >= found + bit) {
            value -= found + bit;
            found = (found >> 1) + bit;
        } else {
            found >>= 1;
        }
    }
    return found;
}

/* ---- The picture, and its cells ---- */

/* A quadratic surface over a picture, by powers of y and x from -1 to 1: 1, y, x, yx, yy, xx; 8 fractional bits. */
struct surface {
    int32_t terms[6];
};

struct row {
    int32_t constant, x, xx;
};

struct search {
    const uint8_t *grey;
    int32_t stride, full_width, full_height; /* of the part of the picture that is searched */
    int32_t factor, width, height;           /* pixels of `factor` a side are searched as one */
    int32_t step_y, step_x;                  /* see step_of */
    int32_t negative;                        /* whether the ink is light */
    int32_t has_margins;
    struct surface margins; /* the shade that margins are painted in */
    int32_t noise;          /* of ink on paper, its standard deviation, 16 fractional bits */
    int32_t low, span;      /* values of cells that belong to figures */
    uint16_t *cells;
    int32_t count;
    void *scratch; /* 8 bytes for each pixel of the longer side */
};

static void set(uint16_t *cell, int32_t flag)
{
    *cell = (uint16_t)(*cell | flag);
}

static void clear(uint16_t *cell, int32_t flag)
{
    *cell = (uint16_t)(*cell & ~flag);
}

static void put(uint16_t *cell, int32_t value)
{
    *cell = (uint16_t)((*cell & ~VALUE) | value);
}

static void clear_all(struct search *s, int32_t flags)
{
    for (int32_t i = 0; i < s->count; i++) {
        clear(&s->cells[i], flags);
    }
}

/* The bin of a histogram in which the rank lies, which becomes the rank in that bin. */
static int32_t bin_of(const uint16_t *counts, int32_t bins, int32_t *rank)
{
    int32_t bin = 0;
    while (bin < bins - 1 && *rank >= (int32_t)counts[bin]) {
        *rank -= counts[bin++];
    }
    return bin;
}

/* Count the values of cells with a flag, by their high bits or, of those with such high bits, by their low ones. */
static void count_values(const struct search *s, int32_t flag, int32_t high, uint16_t *counts)
{
    memset(counts, 0, 128 * sizeof *counts);
    for (int32_t i = 0; i < s->count; i++) {
        int32_t cell = s->cells[i], value = cell & VALUE;
        if ((cell & flag) == flag) {
            if (high < 0) {
                counts[value >> 6]++;
            } else if (value >> 6 == high) {
                counts[value & 63]++;
            }
        }
    }
}

/* Twice the median of so many values, from the k-th smallest on, of all cells or of those with a flag. */
static int32_t median_twice(const struct search *s, int32_t flag, int32_t k, int32_t number)
{
    uint16_t *counts = (uint16_t *)s->scratch;
    int32_t ranks[2], highs[2], sum = 0;
    count_values(s, flag, -1, counts);
    for (int32_t i = 0; i < 2; i++) {
        ranks[i] = k + (number - 1 + i) / 2;
        highs[i] = bin_of(counts, 128, &ranks[i]);
    }
    for (int32_t i = 0; i < 2; i++) {
        if (i == 0 || highs[1] != highs[0]) {
            count_values(s, flag, highs[i], counts);
        }
        sum += highs[i] * 64 + bin_of(counts, 64, &ranks[i]);
    }
    return sum;
}

/* The distance of two neighbours among pixels from -1 to 1, 29 fractional bits, and by it a pixel's place, with 14. */
static int32_t step_of(int32_t size)
{
    return ((int32_t)1 << 29) / larger(size - 1, 1);
}

static int32_t place(int32_t at, int32_t step)
{
    return ((at * step + 8192) >> 14) - 16384;
}

static struct row row_of(const struct surface *f, int32_t y)
{
    struct row row;
    row.constant = f->terms[0] + (int32_t)(((int64_t)y * (f->terms[1] + (((int64_t)y * f->terms[4]) >> 14))) >> 14);
    row.x = f->terms[2] + (int32_t)(((int64_t)y * f->terms[3]) >> 14);
    row.xx = f->terms[5];
    return row;
}

/* The shade at a place of a row, in grey levels with 4 fractional bits. */
static int32_t shade_at(const struct row *row, int32_t x)
{
    int64_t slope = row->x + (((int64_t)x * row->xx) >> 14);
    return (row->constant + (int32_t)((x * slope) >> 14) + 8) >> 4;
}

/* A pixel's grey level with 4 fractional bits, dark where ink is. */
static int32_t grey_at(const struct search *s, int32_t x, int32_t y)
{
    const uint8_t *pixel = s->grey + y * s->factor * s->stride + x * s->factor;
    int32_t grey = pixel[0] * LEVEL;
    if (s->factor == 2) {
        grey = (pixel[0] + pixel[1] + pixel[s->stride] + pixel[s->stride + 1]) * (LEVEL / 4);
    }
    if (s->has_margins && (s->cells[y * s->width + x] & MARGIN) != 0) {
        struct row row = row_of(&s->margins, place(y, s->step_y));
        grey = within(shade_at(&row, place(x, s->step_x)), 0, LIGHTEST);
    }
    return s->negative ? LIGHTEST - grey : grey;
}

/* ---- Figures: connected components of cells whose values are in a range ---- */

struct figure {
    int32_t top, bottom, left, right; /* bottom and right exclusive */
    int32_t at;                       /* its first cell */
    int32_t area, border, outline;    /* pixels: all, on the picture's border, with a neighbour outside */
    int32_t marked;                   /* pixels with MARK */
    uint32_t ink;                     /* the sum of their values */
};

static int is_in(const struct search *s, int32_t cell)
{
    return (uint32_t)((cell & VALUE) - s->low) < (uint32_t)s->span;
}

/* Figures have values above a level, up to another one. */
static void look_above(struct search *s, int32_t level, int32_t highest)
{
    s->low = level + 1;
    s->span = highest - level;
    clear_all(s, SEEN | FILL);
}

static int32_t run_touches(const struct search *s, int32_t y, int32_t start, int32_t end)
{
    for (int32_t row = larger(y - 1, 0); row <= smaller(y + 1, s->height - 1); row++) {
        const uint16_t *cells = s->cells + row * s->width;
        for (int32_t x = larger(start - 1, 0); x < smaller(end + 1, s->width); x++) {
            if ((cells[x] & FILL) != 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* Fill the runs of a row that touch what is filled; whether there were any. */
static int32_t fill_row(const struct search *s, int32_t y, struct figure *f)
{
    uint16_t *cells = s->cells + y * s->width;
    int32_t filled = 0, x = larger(f->left - 1, 0);
    while (x > 0 && is_in(s, cells[x]) && is_in(s, cells[x - 1])) {
        x--;
    }
    while (x < smaller(f->right + 1, s->width)) {
        int32_t start = x;
        while (x < s->width && is_in(s, cells[x])) {
            x++;
        }
        if (x == start) {
            x++;
        } else if ((cells[start] & FILL) == 0 && run_touches(s, y, start, x)) {
            for (int32_t i = start; i < x; i++) {
                set(&cells[i], FILL);
            }
            f->left = smaller(f->left, start);
            f->right = larger(f->right, x);
            f->top = smaller(f->top, y);
            f->bottom = larger(f->bottom, y + 1);
            filled = 1;
        }
    }
    return filled;
}

/* Fill the figure of its first cell, which sets its box. Sweeps go down and up by turns, until one finds nothing. */
static void fill(const struct search *s, struct figure *f)
{
    const uint16_t *row = s->cells + f->at / s->width * s->width;
    f->top = f->at / s->width;
    f->bottom = f->top + 1;
    f->left = f->right = f->at % s->width;
    while (f->right < s->width && is_in(s, row[f->right])) {
        set(&s->cells[f->top * s->width + f->right++], FILL);
    }
    for (int32_t down = 1, filled = 1; filled; down = !down) {
        filled = 0;
        if (down) {
            for (int32_t y = f->top; y < smaller(f->bottom + 1, s->height); y++) {
                filled |= fill_row(s, y, f);
            }
        } else {
            for (int32_t y = f->bottom - 1; y >= f->top; y--) {
                filled |= fill_row(s, y, f);
            }
        }
    }
}

/* Change the flag of what is filled. */
static void settle(const struct search *s, const struct figure *f, int32_t flag)
{
    for (int32_t y = f->top; y < f->bottom; y++) {
        for (int32_t x = f->left; x < f->right; x++) {
            uint16_t *cell = &s->cells[y * s->width + x];
            if ((*cell & FILL) != 0) {
                *cell = (uint16_t)((*cell & ~FILL) | flag);
            }
        }
    }
}

static void mark(const struct search *s, struct figure *f)
{
    fill(s, f);
    settle(s, f, MARK);
}

static int32_t is_inside(const struct search *s, int32_t x, int32_t y)
{
    const uint16_t *cell = &s->cells[y * s->width + x];
    return x > 0 && y > 0 && x < s->width - 1 && y < s->height - 1 && is_in(s, cell[-1]) && is_in(s, cell[1]) &&
           is_in(s, cell[-s->width]) && is_in(s, cell[s->width]);
}

/* Measure the figure that is filled. */
static void measure(const struct search *s, struct figure *f)
{
    f->area = f->border = f->outline = f->marked = 0;
    f->ink = 0;
    for (int32_t y = f->top; y < f->bottom; y++) {
        for (int32_t x = f->left; x < f->right; x++) {
            int32_t cell = s->cells[y * s->width + x];
            if ((cell & FILL) != 0) {
                f->area++;
                f->ink += (uint32_t)(cell & VALUE);
                f->marked += (cell & MARK) != 0;
                f->border += x == 0 || y == 0 || x == s->width - 1 || y == s->height - 1;
                f->outline += !is_inside(s, x, y);
            }
        }
    }
}

/* The next figure behind a cell, -1 at first; 0 if there is none. */
static int32_t next_figure(const struct search *s, struct figure *f)
{
    do {
        if (++f->at == s->count) {
            return 0;
        }
    } while ((s->cells[f->at] & SEEN) != 0 || !is_in(s, s->cells[f->at]));
    fill(s, f);
    measure(s, f);
    settle(s, f, SEEN);
    return 1;
}

static int32_t height_of(const struct figure *f)
{
    return f->bottom - f->top;
}

static int32_t width_of(const struct figure *f)
{
    return f->right - f->left;
}

static int32_t longer_of(const struct figure *f)
{
    return larger(height_of(f), width_of(f));
}

/* How many sides of the picture it touches. */
static int32_t sides_of(const struct search *s, const struct figure *f)
{
    return (f->top == 0) + (f->left == 0) + (f->bottom == s->height) + (f->right == s->width);
}

/* Whether 80 % of its height and width are on the border, as of a margin. */
static int32_t is_along(const struct figure *f)
{
    return 10 * f->border >= 8 * (height_of(f) + width_of(f));
}

/* Whether it lies along the border, such as a shadow or a table, or is small and in a corner. */
static int32_t is_cut_off(const struct search *s, const struct figure *f)
{
    return is_along(f) || (sides_of(s, f) > 1 && 10 * longer_of(f) < 6 * larger(s->height, s->width));
}

static uint32_t hypotenuse(int32_t a, int32_t b)
{
    return root((uint32_t)(a * a) + (uint32_t)(b * b));
}

/* Mean stroke width as a share of the diagonal, 12 fractional bits. */
static int32_t thickness_of(const struct figure *f)
{
    uint32_t diagonal = hypotenuse(16 * height_of(f), 16 * width_of(f));
    return (int32_t)((uint32_t)f->area * 131072 / ((uint32_t)f->outline * diagonal));
}

/* How much it looks like a digit: size, place, contrast, stroke width, distance from the border. */
static uint64_t score_of(const struct search *s, const struct figure *f)
{
    static const uint8_t by_sides[5] = { 10, 6, 3, 1, 1 };
    if (is_cut_off(s, f)) {
        return 0;
    }
    int32_t high = s->height, wide = s->width;
    int32_t size = (int32_t)hypotenuse(height_of(f) * 4096 / high, width_of(f) * 4096 / wide);
    int32_t away_y = (f->top + f->bottom - high) * 4096 / high, away_x = (f->left + f->right - wide) * 4096 / wide;
    int32_t away = (int32_t)hypotenuse(away_y, away_x);
    int32_t thin = within(6144 - 4 * thickness_of(f), 205, 4096);
    uint32_t contrast = root((f->ink / (uint32_t)f->area) << 13);
    return (uint64_t)smaller(4096, size * 10 / 3) * by_sides[sides_of(s, f)] * (uint32_t)(4096 - away / 2) * contrast *
           (uint32_t)thin;
}

/* ---- The paper: margins off, one shade or several, and the ink on it ---- */

/* The sums over a window, row by row, of what lies on the paper, above a surface. */
struct window {
    int32_t *sums;     /* of the window's rows, in each column */
    uint16_t *numbers; /* of pixels in them */
};

static void add_row(const struct search *s, const struct surface *f, int32_t y, int32_t times, struct window *w)
{
    struct row row = row_of(f, place(y, s->step_y));
    for (int32_t x = 0; x < s->width; x++) {
        if ((s->cells[y * s->width + x] & KEEP) != 0) {
            w->sums[x] += times * (grey_at(s, x, y) - shade_at(&row, place(x, s->step_x)));
            w->numbers[x] = (uint16_t)(w->numbers[x] + times);
        }
    }
}

/* Set each cell to what its pixel is lighter than the paper, which is a surface with local changes: means over windows
 * of the pixels with KEEP. Of a flat surface and all pixels that is what it is lighter than its surroundings. */
static void level_paper(struct search *s, const struct surface *f, int32_t radius)
{
    struct window w;
    w.sums = (int32_t *)s->scratch;
    w.numbers = (uint16_t *)(w.sums + larger(s->width, s->height));
    memset(s->scratch, 0, (size_t)larger(s->width, s->height) * 6);
    for (int32_t y = -radius; y < s->height; y++) {
        if (y + radius < s->height) {
            add_row(s, f, y + radius, 1, &w);
        }
        if (y > radius) {
            add_row(s, f, y - radius - 1, -1, &w);
        }
        if (y < 0) {
            continue;
        }
        struct row row = row_of(f, place(y, s->step_y));
        int32_t rows = smaller(y + radius + 1, s->height) - larger(y - radius, 0), sum = 0, number = 0;
        for (int32_t x = -radius; x < s->width; x++) {
            if (x + radius < s->width) {
                sum += w.sums[x + radius];
                number += w.numbers[x + radius];
            }
            if (x > radius) {
                sum -= w.sums[x - radius - 1];
                number -= w.numbers[x - radius - 1];
            }
            if (x >= 0) {
                int32_t area = rows * (smaller(x + radius + 1, s->width) - larger(x - radius, 0));
                int32_t paper = shade_at(&row, place(x, s->step_x)) + (20 * number > area ? nearest(sum, number) : 0);
                int32_t lighter = within(grey_at(s, x, y) - paper, -LIGHTEST, LIGHTEST);
                put(&s->cells[y * s->width + x], NOTHING + lighter);
            }
        }
    }
}

/* Solve the normal equations of a fit by Gauss's elimination; the matrix has 28 fractional bits, the values 20. No
 * element of a row exceeds the root of its pivot, by Cauchy and Schwarz, so that nothing overflows. */
static void solve(int64_t matrix[6][7], struct surface *f)
{
    const int64_t most = (int64_t)1 << 32, one = (int64_t)1 << 28;
    for (int32_t k = 0; k < 6; k++) {
        matrix[k][k] = matrix[k][k] > 16 ? matrix[k][k] : 16;
        int64_t limit = (int64_t)root((uint32_t)matrix[k][k]) << 14;
        for (int32_t c = k + 1; c < 7; c++) {
            matrix[k][c] = matrix[k][c] > limit ? limit : matrix[k][c] < -limit ? -limit : matrix[k][c];
        }
        for (int32_t r = k + 1; r < 6; r++) {
            int64_t times = matrix[k][r] * one / matrix[k][k];
            for (int32_t c = r; c < 7; c++) {
                matrix[r][c] -= (times * matrix[k][c]) >> 28;
            }
        }
    }
    for (int32_t k = 5; k >= 0; k--) {
        int64_t value = matrix[k][6];
        for (int32_t c = k + 1; c < 6; c++) {
            value -= (matrix[k][c] * matrix[c][6]) >> 28;
        }
        value = value > most ? most : value < -most ? -most : value;
        value = value * one / matrix[k][k];
        matrix[k][6] = value > most ? most : value < -most ? -most : value;
        f->terms[k] = (int32_t)(matrix[k][6] >> 12);
    }
}

/* The normal equations of the pixels at most so far from a surface, or, of a negative limit, lighter than their
 * surroundings, as level_paper has set them. */
static void sum_paper(const struct search *s, const struct surface *f, int32_t step, int32_t limit, int64_t sums[6][7])
{
    int32_t chosen = 0;
    memset(sums, 0, 6 * sizeof *sums);
    for (int32_t y = 0; y < s->height; y += step) {
        int32_t py = place(y, s->step_y);
        struct row row = row_of(f, py);
        for (int32_t x = 0; x < s->width; x += step) {
            int32_t cell = s->cells[y * s->width + x], px = place(x, s->step_x), grey = grey_at(s, x, y);
            int32_t apart = limit < 0 ? 0 : grey - shade_at(&row, px);
            int32_t is_margin = !s->has_margins && (cell & MARGIN) != 0;
            if (limit < 0 ? is_margin || (cell & VALUE) < NOTHING : apart > limit || apart < -limit) {
                continue;
            }
            const int32_t terms[7] = { 16384, py, px, (py * px) >> 14, (py * py) >> 14, (px * px) >> 14, grey };
            for (int32_t r = 0; r < 6; r++) {
                for (int32_t c = r; c < 7; c++) {
                    sums[r][c] += (int64_t)terms[r] * terms[c];
                }
            }
            chosen++;
        }
    }
    chosen = larger(chosen, 1);
    for (int32_t r = 0; r < 6; r++) {
        for (int32_t c = r; c < 7; c++) {
            sums[r][c] = (c < 6 ? sums[r][c] : sums[r][c] * 4) / chosen;
        }
        sums[r][r] += 268435 / chosen + 1; /* so that pictures of few rows can be fitted */
    }
}

/* The median distance of pixels from a surface: first its whole grey levels, then the fraction. */
static int32_t median_distance(const struct search *s, const struct surface *f, int32_t step)
{
    uint16_t *counts = (uint16_t *)s->scratch;
    int32_t rank = ((s->height + step - 1) / step) * ((s->width + step - 1) / step) / 2, median = 0;
    for (int32_t fine = 0; fine < 2; fine++) {
        memset(counts, 0, 256 * sizeof *counts);
        for (int32_t y = 0; y < s->height; y += step) {
            struct row row = row_of(f, place(y, s->step_y));
            for (int32_t x = 0; x < s->width; x += step) {
                int32_t apart = grey_at(s, x, y) - shade_at(&row, place(x, s->step_x));
                apart = smaller(apart < 0 ? -apart : apart, LIGHTEST);
                if (!fine || apart / LEVEL == median) {
                    counts[fine ? apart % LEVEL : apart / LEVEL]++;
                }
            }
        }
        int32_t bin = bin_of(counts, 256, &rank);
        median = fine ? median * LEVEL + bin : bin;
    }
    return median;
}

/* Fit a surface to the paper, again and again to the pixels near it. */
static void fit_paper(const struct search *s, struct surface *f)
{
    int32_t step = larger(1, larger(s->height, s->width) / 48), limit = -1;
    memset(f, 0, sizeof *f);
    for (int32_t turn = 0; turn < 4; turn++) {
        int64_t sums[6][7];
        sum_paper(s, f, step, limit, sums);
        solve(sums, f);
        /* 2.5 standard deviations, each of 1.4826 medians */
        limit = larger(median_distance(s, f, step) * 949 / 256, 2 * LEVEL);
    }
}

/* Set each cell to the grey level of its pixel, and lower all flags. */
static void load(struct search *s)
{
    s->has_margins = s->negative = 0;
    for (int32_t y = 0, i = 0; y < s->height; y++) {
        for (int32_t x = 0; x < s->width; x++, i++) {
            s->cells[i] = (uint16_t)grey_at(s, x, y);
        }
    }
}

/* Flag the pixels of a box that are marked or have a neighbour that is. */
static void flag_widened(const struct search *s, const struct figure *box, int32_t flag)
{
    for (int32_t y = box->top; y < box->bottom; y++) {
        for (int32_t x = box->left; x < box->right; x++) {
            int32_t touched = 0;
            for (int32_t v = larger(y - 1, 0); v <= smaller(y + 1, s->height - 1); v++) {
                for (int32_t u = larger(x - 1, 0); u <= smaller(x + 1, s->width - 1); u++) {
                    touched |= s->cells[v * s->width + u];
                }
            }
            if ((touched & MARK) != 0) {
                set(&s->cells[y * s->width + x], flag);
            }
        }
    }
}

static void level_flat(struct search *s, int32_t radius)
{
    static const struct surface flat = { { 0, 0, 0, 0, 0, 0 } };
    for (int32_t i = 0; i < s->count; i++) {
        set(&s->cells[i], KEEP);
    }
    level_paper(s, &flat, radius);
}

/* Paint what is far darker than the paper and lies along the border, such as a table, in the paper's shade. */
static void paint_margins(struct search *s)
{
    struct figure f, all = { 0, s->height, 0, s->width, 0, 0, 0, 0, 0, 0 };
    int32_t found = 0;
    look_above(s, -1, larger(0, (median_twice(s, 0, 0, s->count) * 3 + 19) / 20 - 1)); /* darker than 30 % */
    for (f.at = -1; next_figure(s, &f);) {
        if (is_along(&f)) {
            mark(s, &f);
            found = 1;
        }
    }
    if (found) {
        for (int32_t turn = 0; turn < 2; turn++) {
            flag_widened(s, &all, FILL);
            settle(s, &all, MARK);
        }
        level_flat(s, larger(s->height, s->width) / 8);
        fit_paper(s, &s->margins);
        s->has_margins = 1;
        for (int32_t y = 0, i = 0; y < s->height; y++) {
            for (int32_t x = 0; x < s->width; x++, i++) {
                put(&s->cells[i], grey_at(s, x, y));
            }
        }
    }
}

/* The threshold, in 256ths of all light, that separates grey levels best into two groups (Otsu 1979). */
static int32_t otsu(const struct search *s)
{
    uint16_t *counts = (uint16_t *)s->scratch;
    int64_t sum_below = 0, sum = 0, below = 0, all = s->count;
    uint64_t best = 0;
    int32_t found = 0;
    memset(counts, 0, 256 * sizeof *counts);
    for (int32_t i = 0; i < s->count; i++) {
        counts[smaller((s->cells[i] & VALUE) * 16 / 255, 255)]++;
    }
    for (int32_t bin = 0; bin < 256; bin++) {
        sum += (int64_t)counts[bin] * (2 * bin + 1);
    }
    for (int32_t bin = 0; bin < 255; bin++) {
        below += counts[bin];
        sum_below += (int64_t)counts[bin] * (2 * bin + 1);
        if (below > 0 && below < all) {
            int64_t apart = sum_below * (all - below) - (sum - sum_below) * below;
            uint64_t distance = (uint64_t)(apart < 0 ? -apart : apart) >> (all > 4096 ? 8 : 0);
            uint64_t variance = distance * distance / (uint64_t)(below * (all - below));
            if (variance > best) {
                best = variance;
                found = bin;
            }
        }
    }
    return 1 + found;
}

/* Find ink on paper of one shade, as in scans, drawings and small pictures: whether this is such a picture. */
static int32_t find_flat_ink(struct search *s)
{
    /* light is what has more than 255 * otsu / 256 grey levels */
    int32_t limit = 255 * otsu(s) / 16, light = 0, border = 0, corners = 0, near = 0;
    int32_t high = s->height, wide = s->width, around = 2 * (high + wide);
    for (int32_t y = 0, i = 0; y < high; y++) {
        for (int32_t x = 0; x < wide; x++, i++) {
            int32_t is_light = (s->cells[i] & VALUE) > limit;
            int32_t sides = (x == 0) + (y == 0) + (x == wide - 1) + (y == high - 1);
            light += is_light;
            border += is_light * sides;
            corners += is_light * (sides > 1);
        }
    }
    if (light == 0 || light == s->count) {
        return 0;
    }
    /* the paper has more of the picture, of its border and of its corners, together */
    int64_t unit = (int64_t)s->count * around;
    int32_t dark = 4 * ((int64_t)light * around + (int64_t)border * s->count) + unit * corners > 6 * unit;
    int32_t of_dark = median_twice(s, 0, 0, s->count - light);
    int32_t of_light = median_twice(s, 0, s->count - light, light);
    int32_t paper = dark ? of_light : of_dark, number = dark ? light : s->count - light;
    for (int32_t i = 0; i < s->count; i++) {
        int32_t grey = s->cells[i] & VALUE, apart = 2 * grey - paper;
        near += (grey > limit) == dark && apart <= 6 * LEVEL && apart >= -6 * LEVEL;
    }
    if ((larger(high, wide) > FEW && 10 * near < 6 * number) || of_light - of_dark < 2 * 32 * LEVEL) {
        return 0;
    }
    for (int32_t i = 0; i < s->count; i++) {
        int32_t apart = (2 * (s->cells[i] & VALUE) - paper) * (dark ? -1 : 1);
        s->cells[i] = (uint16_t)within(nearest(larger(apart, 0) * (ALL / 4), 2 * LIGHTEST / 4), 0, ALL - 1);
    }
    s->noise = 0;
    return 1;
}

/* Standard deviation of the paper by the median of what is lighter, 8 fractional bits; ink is not. */
static int32_t deviation(struct search *s)
{
    int32_t lighter = 0;
    for (int32_t i = 0; i < s->count; i++) {
        lighter += (s->cells[i] & VALUE) > NOTHING;
    }
    return lighter == 0 ? 0 : (median_twice(s, 0, s->count - lighter, lighter) - 2 * NOTHING) * 6073 / 512;
}

/* Ink as a share of the paper's light, and so its noise: each cell has what its pixel is lighter than the paper. */
static void weigh(struct search *s)
{
    uint16_t *counts = (uint16_t *)s->scratch;
    int32_t rank = s->count / 2;
    memset(counts, 0, 256 * sizeof *counts);
    for (int32_t y = 0, i = 0; y < s->height; y++) {
        for (int32_t x = 0; x < s->width; x++, i++) {
            int32_t lighter = (s->cells[i] & VALUE) - NOTHING, paper = larger(grey_at(s, x, y) - lighter, 0);
            counts[smaller(paper / LEVEL, 255)]++;
            s->cells[i] = (uint16_t)within(nearest(larger(-lighter, 0) * ALL, paper + 24 * LEVEL), 0, ALL - 1);
        }
    }
    s->noise = s->noise * 512 / (2 * (bin_of(counts, 256, &rank) + 24) + 1);
}

/* Find ink on any paper: its shade is a surface with local changes, ink is a share of the light that it sends back. */
static void find_ink(struct search *s)
{
    struct surface shade;
    int32_t radius = larger(4, larger(s->height, s->width) / 8);
    int64_t cubes = 0;
    level_flat(s, radius);
    for (int32_t i = 0; i < s->count; i++) {
        int64_t lighter = (s->cells[i] & VALUE) - NOTHING;
        cubes += lighter * lighter * lighter;
    }
    if (cubes >= 0) { /* light ink differs from the paper more than that from its surroundings */
        s->negative = 1;
        for (int32_t i = 0; i < s->count; i++) {
            put(&s->cells[i], 2 * NOTHING - (s->cells[i] & VALUE));
        }
    }
    fit_paper(s, &shade);
    clear_all(s, KEEP); /* without local changes at first */
    for (int32_t turn = 0;; turn++) {
        level_paper(s, &shade, radius);
        s->noise = deviation(s);
        if (turn == 3) {
            break;
        }
        int32_t limit = s->noise * 5 / 32 + 2 * LEVEL; /* 2.5 deviations, and 2 */
        for (int32_t i = 0; i < s->count; i++) {
            int32_t lighter = (s->cells[i] & VALUE) - NOTHING;
            clear(&s->cells[i], KEEP);
            if (lighter < limit && lighter > -limit) {
                set(&s->cells[i], KEEP);
            }
        }
    }
    weigh(s);
}

/* ---- Printed lines ---- */

/* The picture, or the picture with rows and columns exchanged; pixels with the flag `gone` have no ink. */
struct view {
    int32_t height, width, down, across, gone;
};

enum { SLOPES = 8, MOST_LINES = 24 }; /* on either side of level: steps of 1.75 % */

static int32_t ink_at(const struct search *s, const struct view *v, int32_t y, int32_t x)
{
    int32_t cell = s->cells[y * v->down + x * v->across];
    return (cell & v->gone) != 0 ? 0 : cell & VALUE;
}

/* By how much a line of a slope has fallen at a column, from its middle. */
static int32_t fall(const struct view *v, int32_t slope, int32_t x)
{
    int32_t run = slope * 7 * (2 * x - v->width);
    return run < 0 ? -nearest_even(-run, 800) : nearest_even(run, 800);
}

static void flag_ink(const struct search *s, const struct view *v, int32_t level)
{
    for (int32_t y = 0; y < v->height; y++) {
        int32_t inner = y > 0 && y < v->height - 1;
        for (int32_t x = 0; x < v->width; x++) {
            uint16_t *cell = &s->cells[y * v->down + x * v->across];
            clear(cell, INKED);
            if (ink_at(s, v, y, x) > level ||
                (inner && (ink_at(s, v, y - 1, x) > level || ink_at(s, v, y + 1, x) > level))) {
                set(cell, INKED);
            }
        }
    }
}

/* For the line in the middle of each row, the slope with most ink of those with ink along 85 % of the line's way. */
static void rank_lines(const struct search *s, const struct view *v, uint32_t *inks, int8_t *slopes, uint16_t *counts)
{
    memset(inks, 0, (size_t)v->height * sizeof *inks);
    for (int32_t slope = -SLOPES; slope <= SLOPES; slope++) {
        memset(counts, 0, (size_t)v->height * sizeof *counts);
        for (int32_t x = 0; x < v->width; x++) {
            int32_t fallen = fall(v, slope, x), last = smaller(v->height, v->height + fallen);
            const uint16_t *column = s->cells + x * v->across;
            for (int32_t y = larger(0, fallen); y < last; y++) {
                counts[y - fallen] = (uint16_t)(counts[y - fallen] + column[y * v->down] / INKED % 2);
            }
        }
        for (int32_t row = 0; row < v->height; row++) {
            if (200 * counts[row] < 85 * v->width) {
                continue;
            }
            int32_t length = 0;
            uint32_t ink = 0;
            for (int32_t x = 0; x < v->width; x++) {
                int32_t y = row + fall(v, slope, x);
                if (y >= 0 && y < v->height) {
                    length++;
                    ink += (uint32_t)ink_at(s, v, y, x);
                }
            }
            if (100 * counts[row] >= 85 * length && ink > inks[row]) {
                inks[row] = ink;
                slopes[row] = (int8_t)slope;
            }
        }
    }
}

/* Twice the median of numbers, which are sorted. */
static int32_t sorted_median_twice(uint16_t *numbers, int32_t count)
{
    for (int32_t i = 1; i < count; i++) {
        uint16_t number = numbers[i];
        int32_t k = i;
        for (; k > 0 && numbers[k - 1] > number; k--) {
            numbers[k] = numbers[k - 1];
        }
        numbers[k] = number;
    }
    return numbers[(count - 1) / 2] + numbers[count / 2];
}

/* The most ink in some rows around a line's; the line's own counts where a row is outside. */
static int32_t most_ink(const struct search *s, const struct view *v, int32_t y, int32_t x, const int8_t *rows,
    int32_t count)
{
    int32_t most = 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t row = y + rows[i];
        most = larger(most, ink_at(s, v, row >= 0 && row < v->height ? row : y, x));
    }
    return most;
}

/* Flag the pixels of a line that nothing crosses; 0 if it is a stroke or a shadow, with ink beside half of it. */
static int32_t flag_line(const struct search *s, const struct view *v, int32_t middle, int32_t slope, uint16_t *inks,
    int32_t flag)
{
    static const int8_t band[5] = { -2, -1, 0, 1, 2 }, beyond[4] = { -4, -3, 3, 4 };
    int32_t length = 0, crossed = 0, printed = 0;
    for (int32_t step = 0; step < 3; step++) {
        for (int32_t x = 0; x < v->width; x++) {
            int32_t y = middle + fall(v, slope, x);
            if (y < 0 || y >= v->height) {
                continue;
            }
            if (step == 0) {
                inks[length++] = (uint16_t)most_ink(s, v, y, x, band, 5);
                continue;
            }
            if (10 * most_ink(s, v, y, x, beyond, 4) > 3 * printed) {
                crossed += step == 1;
                continue;
            }
            for (int32_t i = 0; step == 2 && i < 5; i++) {
                int32_t row = y + band[i];
                if (row >= 0 && row < v->height && 4 * ink_at(s, v, row, x) <= 3 * printed) {
                    set(&s->cells[row * v->down + x * v->across], flag);
                }
            }
        }
        if (step == 0) {
            printed = sorted_median_twice(inks, length);
        } else if (2 * crossed >= length) {
            return 0;
        }
    }
    return 1;
}

/* Flag the nearly level lines, strongest first; how many there are. */
static int32_t flag_lines(const struct search *s, const struct view *v, int32_t level, int32_t flag)
{
    int32_t longer = larger(s->height, s->width), lines = 0;
    uint32_t *inks = (uint32_t *)s->scratch;
    uint16_t *numbers = (uint16_t *)(inks + longer);
    int8_t *slopes = (int8_t *)(numbers + longer);
    flag_ink(s, v, level);
    rank_lines(s, v, inks, slopes, numbers);
    while (lines < MOST_LINES) {
        int32_t best = 0;
        for (int32_t row = 1; row < v->height; row++) {
            best = inks[row] > inks[best] || (inks[row] == inks[best] && slopes[row] < slopes[best]) ? row : best;
        }
        if (inks[best] == 0) {
            break;
        }
        for (int32_t row = larger(0, best - 4); row < smaller(v->height, best + 5); row++) {
            inks[row] = 0;
        }
        lines += flag_line(s, v, best, slopes[best], numbers, flag);
    }
    return lines;
}

/* Take off straight lines from side to side: two or more are print, and one along a strip. */
static void take_lines_off(struct search *s)
{
    const struct view level = { s->height, s->width, s->width, 1, 0 };
    const struct view upright = { s->width, s->height, 1, s->width, ACROSS };
    int32_t faint = larger(3 * s->noise / 8, 368);
    int32_t across = flag_lines(s, &level, faint, ACROSS), down = flag_lines(s, &upright, faint, DOWN);
    int32_t gone = across + down >= 2 ? ACROSS | DOWN : s->width > 2 * s->height ? ACROSS : 0;
    for (int32_t i = 0; i < s->count; i++) {
        s->cells[i] = (uint16_t)((s->cells[i] & gone) != 0 ? 0 : s->cells[i] & VALUE);
    }
}

/* ---- The figures that are the digit ---- */

/* The figure that looks most like a digit, over all levels, which is marked. */
struct seed {
    int32_t sides;  /* of the picture that it touches */
    int32_t strong; /* twice its median ink */
};

/* Whether a figure is more than the largest of many specks, as in grainy paper. */
static int32_t is_no_speck(const struct search *s, const struct figure *of)
{
    struct figure f;
    uint32_t sum = of->ink;
    for (f.at = -1; next_figure(s, &f);) {
        if (f.at != of->at && sides_of(s, &f) == 0 && 2 * longer_of(&f) < longer_of(of)) {
            sum += f.ink;
        }
    }
    return (uint64_t)of->ink * 20 >= (uint64_t)sum * 3;
}

static int32_t find_seed(struct search *s, struct seed *seed)
{
    static const uint16_t levels[7] = { 368, 573, 819, 1228, 1802, 2703, 4096 }; /* 4.5 to 50 % */
    uint64_t best = 0;
    for (int32_t i = 0; i < 7; i++) {
        struct figure f, first;
        uint64_t highest = 0;
        int32_t any = 0;
        if (8 * levels[i] + 7 < 5 * s->noise) {
            continue;
        }
        look_above(s, levels[i], VALUE);
        for (f.at = -1; next_figure(s, &f); any = 1) {
            uint64_t score = score_of(s, &f);
            if (score > highest) {
                highest = score;
                first = f;
            }
        }
        if (!any) {
            break;
        }
        if (highest > best) {
            clear_all(s, SEEN);
            if (is_no_speck(s, &first)) {
                best = highest;
                clear_all(s, MARK);
                mark(s, &first);
                seed->sides = sides_of(s, &first);
                seed->strong = median_twice(s, MARK, 0, first.area);
            }
        }
    }
    return best > 0;
}

/* The seed's figure at the lowest level at which it still has strokes and touches no more of the border. */
static int32_t grow(struct search *s, const struct seed *seed, struct figure *main)
{
    static const uint8_t cuts[6] = { 3, 4, 5, 6, 7, 8 }; /* tenths of the seed's ink */
    for (int32_t i = 0; i < 6; i++) {
        struct figure f;
        look_above(s, smaller(larger(cuts[i] * seed->strong / 20, 3 * s->noise / 8), VALUE - 1), VALUE);
        main->marked = -1;
        for (f.at = -1; next_figure(s, &f);) {
            if (f.marked > main->marked) {
                *main = f;
            }
        }
        if (main->marked < 0) {
            return 0;
        }
        if (sides_of(s, main) <= seed->sides + 1 && thickness_of(main) < 1229) { /* 30 % of the diagonal */
            break;
        }
    }
    return !is_cut_off(s, main);
}

/* Whether a figure beside the parts of a digit is another part. */
struct beside {
    int32_t joined, other;
};

static struct beside beside_digit(const struct search *s, const struct figure *f, const struct figure *digit,
    int32_t weakest)
{
    struct beside answer = { 0, 0 };
    int32_t size = longer_of(digit), sides = sides_of(s, f);
    if (is_cut_off(s, f) || 4 * f->ink < (uint32_t)weakest * (uint32_t)f->area || 100 * longer_of(f) <= 12 * size) {
        return answer;
    }
    int32_t below = larger(f->top - digit->bottom, digit->top - f->bottom);
    int32_t across = larger(f->left - digit->right, digit->left - f->right); /* negative where they overlap */
    int32_t apart = larger(below, 0) * larger(below, 0) + larger(across, 0) * larger(across, 0);
    int32_t above = 2 * across < -smaller(width_of(f), width_of(digit)); /* or below, so not a neighbour */
    int32_t whole = larger(larger(f->bottom, digit->bottom) - smaller(f->top, digit->top),
        larger(f->right, digit->right) - smaller(f->left, digit->left));
    int32_t gap = larger(200, 4 * whole); /* in hundredths */
    answer.other = 2 * (sides != 0 ? height_of(f) : longer_of(f)) >= size;
    answer.joined = sides == 0 && (10000 * (int64_t)apart <= gap * gap ||
                                   (10000 * (int64_t)apart <= 144 * size * size && (!answer.other || above)));
    return answer;
}

/* Mark the figures that belong to the digit, such as the bar of a 5, and widen its box. Returns whether another digit
 * is beside it. */
static int32_t join_parts(struct search *s, struct figure *digit, int32_t weakest)
{
    int32_t joined, others;
    clear_all(s, MARK);
    mark(s, digit);
    do {
        struct figure f, whole = *digit;
        joined = others = 0;
        clear_all(s, SEEN);
        for (f.at = -1; next_figure(s, &f);) {
            struct beside is = { 0, 0 };
            if (f.marked == 0) {
                is = beside_digit(s, &f, digit, weakest);
            }
            others |= is.other;
            if (is.joined) {
                mark(s, &f);
                joined = 1;
                whole.top = smaller(whole.top, f.top);
                whole.left = smaller(whole.left, f.left);
                whole.bottom = larger(whole.bottom, f.bottom);
                whole.right = larger(whole.right, f.right);
                whole.area += f.area;
            }
        }
        *digit = whole;
    } while (joined);
    return others || 10 * width_of(digit) > 16 * height_of(digit);
}

/* ---- Other sizes, and 28 x 28 ---- */

/* Pixels from 0 to 255, row by row. */
struct image {
    uint8_t *pixels;
    int32_t height, width;
};

/* A length, scaled by to / from, but not to 0. */
static int32_t scaled_side(int32_t side, int32_t from, int32_t to)
{
    return larger(1, nearest_even(side * to, from));
}

/* A pixel of the image brought to another size, 8 fractional bits, by a triangle filter, widened when shrinking. */
static int32_t sample(const struct image *image, int32_t stride, int32_t height, int32_t width, int32_t y, int32_t x)
{
    int32_t tall = 2 * larger(image->height, height), wide = 2 * larger(image->width, width), weights = 0;
    int32_t from_y = larger(0, ((2 * y + 1) * image->height - tall) / (2 * height));
    int32_t from_x = larger(0, ((2 * x + 1) * image->width - wide) / (2 * width));
    uint32_t sum = 0;
    for (int32_t v = from_y; v < image->height; v++) {
        int32_t off = (2 * v + 1) * height - (2 * y + 1) * image->height;
        int32_t weight = tall - (off < 0 ? -off : off), across = 0;
        if (weight <= 0) {
            if (off > 0) {
                break;
            }
            continue;
        }
        const uint8_t *pixels = image->pixels + v * stride;
        uint32_t row = 0;
        for (int32_t u = from_x; u < image->width; u++) {
            int32_t aside = (2 * u + 1) * width - (2 * x + 1) * image->width;
            int32_t share = wide - (aside < 0 ? -aside : aside);
            if (share > 0) {
                row += (uint32_t)(share * pixels[u]);
                across += share;
            } else if (aside > 0) {
                break;
            }
        }
        sum += (uint32_t)weight * ((row * 256 + (uint32_t)across / 2) / (uint32_t)across);
        weights += weight;
    }
    return (int32_t)((sum + (uint32_t)weights / 2) / (uint32_t)weights);
}

/* Place ink of at most 20 x 20, 8 fractional bits, in 28 x 28, the strongest 255, its centre of mass in the middle. */
static void centre(const uint16_t *ink, int32_t height, int32_t width, uint8_t *pixels)
{
    int64_t sum = 0, down = 0, across = 0;
    uint32_t strongest = 1;
    memset(pixels, 0, SIDE * SIDE);
    for (int32_t i = 0; i < height * width; i++) {
        sum += ink[i];
        down += (int64_t)ink[i] * (i / width);
        across += (int64_t)ink[i] * (i % width);
        strongest = ink[i] > strongest ? ink[i] : strongest;
    }
    if (sum == 0) {
        return;
    }
    /* the nearest whole number to 13.5 less the centre */
    int32_t top = within((int32_t)((28 * sum - 2 * down) / (2 * sum)), 0, SIDE - height);
    int32_t left = within((int32_t)((28 * sum - 2 * across) / (2 * sum)), 0, SIDE - width);
    for (int32_t i = 0; i < height * width; i++) {
        pixels[(top + i / width) * SIDE + left + i % width] = (uint8_t)(ink[i] * 255u / strongest);
    }
}

/* Bring an image to MNIST's form: its ink's box in 20 x 20. */
static void bring_to_box(const struct image *image, void *scratch, uint8_t *pixels)
{
    uint16_t *ink = (uint16_t *)scratch;
    int32_t top = image->height, bottom = 0, left = image->width, right = 0;
    for (int32_t y = 0; y < image->height; y++) {
        for (int32_t x = 0; x < image->width; x++) {
            if (image->pixels[y * image->width + x] != 0) {
                top = smaller(top, y);
                bottom = larger(bottom, y + 1);
                left = smaller(left, x);
                right = larger(right, x + 1);
            }
        }
    }
    if (bottom == 0) {
        memset(pixels, 0, SIDE * SIDE);
        return;
    }
    const struct image box = { image->pixels + top * image->width + left, bottom - top, right - left };
    int32_t longer = larger(box.height, box.width);
    int32_t height = scaled_side(box.height, longer, BOX), width = scaled_side(box.width, longer, BOX);
    for (int32_t i = 0; i < height * width; i++) {
        ink[i] = (uint16_t)sample(&box, image->width, height, width, i / width, i % width);
    }
    centre(ink, height, width, pixels);
}

/* ---- Even strokes ---- */

/* Grow strokes, of ink or, with `thin`, of paper, by so many pixels on each side, 8 fractional bits; fewer than the
 * padding has. */
static void dilate(const struct image *image, int32_t by, int32_t thin)
{
    uint8_t above[DRAWN + 2 * PADDED], here[DRAWN + 2 * PADDED];
    int32_t invert = thin ? 255 : 0, width = image->width;
    for (int32_t step = 0; by > 0; step++, by -= 256) {
        int32_t share = smaller(by, 256), square = step % 2 == 0; /* by turns with a cross: an octagon */
        memcpy(above, image->pixels, (size_t)width);
        for (int32_t y = 1; y < image->height - 1; y++) {
            uint8_t *row = image->pixels + y * width;
            memcpy(here, row, (size_t)width);
            for (int32_t x = 1; x < width - 1; x++) {
                int32_t own = here[x] ^ invert, most = own;
                for (int32_t u = x - 1; u <= x + 1; u++) {
                    most = larger(most, here[u] ^ invert);
                    if (square || u == x) {
                        most = larger(most, larger(above[u] ^ invert, row[width + u] ^ invert));
                    }
                }
                own += (share * (most - own) + 128) >> 8;
                row[x] = (uint8_t)((own == 0 && most > 0 ? 1 : own) ^ invert);
            }
            memcpy(above, here, (size_t)width);
        }
    }
}

/* Widen fine strokes, and narrow thick ones: the image that has even strokes, which may be the given one. */
static struct image evened(const struct image *ink, uint8_t *room, int32_t narrow)
{
    int32_t longer = larger(ink->height, ink->width), area = 0, outline = 0;
    int32_t height = scaled_side(ink->height, longer, DRAWN), width = scaled_side(ink->width, longer, DRAWN);
    struct image drawn;
    drawn.pixels = room;
    drawn.height = height + 2 * PADDED;
    drawn.width = width + 2 * PADDED;
    memset(room, 0, (size_t)(drawn.height * drawn.width));
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            /* edges a pixel or two wide */
            int32_t sharp = within(2 * sample(ink, ink->width, height, width, y, x) - 32640, 0, 65280);
            room[(y + PADDED) * drawn.width + x + PADDED] = (uint8_t)(sharp > 0 ? larger(1, (sharp + 128) >> 8) : 0);
        }
    }
    for (int32_t y = PADDED; y < height + PADDED; y++) {
        for (int32_t x = PADDED; x < width + PADDED; x++) {
            const uint8_t *pixel = &room[y * drawn.width + x];
            if (pixel[0] > 127) {
                area++;
                outline += pixel[-1] < 128 || pixel[1] < 128 || pixel[-drawn.width] < 128 || pixel[drawn.width] < 128;
            }
        }
    }
    /* half a stroke's width is its area over its outline, 8 fractional bits; even ones are 10 to 16 pixels wide */
    int32_t half = (area * 256 + outline / 2) / larger(outline, 1);
    if (half < 5 * 256) {
        dilate(&drawn, smaller(5 * 256 - half, 1229), 0);
    } else if (half > 8 * 256 && narrow) {
        dilate(&drawn, smaller(half - 8 * 256, 819), 1);
    } else {
        return *ink;
    }
    return drawn;
}

/* ---- Together ---- */

/* The digit's ink, from 0 to 255, in place of the cells, with the fringe of its strokes. */
static struct image draw_digit(struct search *s, const struct figure *digit, int32_t strong)
{
    struct image ink;
    uint8_t *pixel = (uint8_t *)s->cells;
    ink.pixels = pixel;
    ink.height = height_of(digit);
    ink.width = width_of(digit);
    clear_all(s, FILL);
    flag_widened(s, digit, FILL);
    for (int32_t y = digit->top; y < digit->bottom; y++) {
        for (int32_t x = digit->left; x < digit->right; x++) {
            int32_t cell = s->cells[y * s->width + x];
            int32_t value = (cell & FILL) != 0 ? 10 * (cell & VALUE) - strong : 0; /* 20 % count as paper */
            value = value <= 0 ? 0 : within(nearest(value * 255, 4 * strong), 1, 255);
            *pixel++ = (uint8_t)value;
        }
    }
    return ink;
}

/* Enlarge ink of few pixels, with a margin of one pixel; it is kept behind what becomes of it. */
static void enlarge(struct search *s, uint16_t *end)
{
    const int32_t times = ENLARGED, height = s->height, width = s->width;
    const uint16_t *from = end - s->count;
    memcpy(end - s->count, s->cells, (size_t)s->count * sizeof *s->cells);
    s->height = times * (height + 2);
    s->width = times * (width + 2);
    s->count = s->height * s->width;
    for (int32_t i = 0; i < s->count; i++) {
        int32_t y = within(2 * (i / s->width) + 1 - times, 0, 2 * times * (height + 1));
        int32_t x = within(2 * (i % s->width) + 1 - times, 0, 2 * times * (width + 1)), sum = 0;
        for (int32_t corner = 0; corner < 4; corner++) {
            int32_t v = y / (2 * times) + corner / 2 - 1, u = x / (2 * times) + corner % 2 - 1; /* without the margin */
            int32_t down = y % (2 * times), across = x % (2 * times);
            int32_t share = (corner / 2 ? down : 2 * times - down) * (corner % 2 ? across : 2 * times - across);
            if (share != 0 && v >= 0 && v < height && u >= 0 && u < width) {
                sum += share * from[v * width + u];
            }
        }
        s->cells[i] = (uint16_t)nearest(sum, 4 * times * times);
    }
}

/* The digit's box, in pixels of the part of the picture that is searched. */
static nano_box box_of(const struct search *s, const struct figure *digit)
{
    nano_box box;
    int32_t top = digit->top * s->factor, left = digit->left * s->factor;
    int32_t bottom = digit->bottom * s->factor, right = digit->right * s->factor;
    if (larger(s->full_height, s->full_width) <= FEW) {
        top = larger(top / ENLARGED - 1, 0);
        left = larger(left / ENLARGED - 1, 0);
        bottom = smaller((bottom + ENLARGED - 1) / ENLARGED - 1, s->full_height);
        right = smaller((right + ENLARGED - 1) / ENLARGED - 1, s->full_width);
    }
    box.x = (int16_t)left;
    box.y = (int16_t)top;
    box.width = (int16_t)(right - left);
    box.height = (int16_t)(bottom - top);
    return box;
}

/* Part of a picture around a digit, if it is worth a search of its own: the digit is small, and so is the part. */
static int32_t is_worth_zooming(const struct search *s, const struct figure *digit, int32_t part[4])
{
    int32_t size = longer_of(digit);
    if (size >= ZOOMED || s->factor == 1) {
        return 0;
    }
    part[0] = larger(0, (10 * digit->top - 6 * size) * s->factor) / 10;
    part[1] = larger(0, (10 * digit->left - 6 * size) * s->factor) / 10;
    part[2] = smaller(s->full_height, (10 * digit->bottom + 6 * size) * s->factor / 10) - part[0];
    part[3] = smaller(s->full_width, (10 * digit->right + 6 * size) * s->factor / 10) - part[1];
    return 4 * larger(part[2], part[3]) <= 3 * larger(s->full_height, s->full_width);
}

/* Search a part of the picture, which has to be set. Returns whether it has a digit, or 2 if a smaller part is set. */
static int32_t search(struct search *s, uint16_t *end, nano_finding *finding)
{
    struct figure digit;
    struct seed seed = { 0, 0 };
    int32_t longer = larger(s->full_height, s->full_width), shorter = smaller(s->full_height, s->full_width);
    int32_t part[4];
    s->factor = larger(1, smaller((longer + WORKING - 1) / WORKING, shorter / NANO_SHORTEST_SIDE));
    s->height = s->full_height / s->factor;
    s->width = s->full_width / s->factor;
    s->count = s->height * s->width;
    s->step_y = step_of(s->height);
    s->step_x = step_of(s->width);
    load(s);
    if (longer > FEW) {
        paint_margins(s);
    }
    if (!find_flat_ink(s)) {
        find_ink(s);
    }
    if (longer > FEW) {
        take_lines_off(s);
    } else {
        enlarge(s, end);
    }
    if (!find_seed(s, &seed) || !grow(s, &seed, &digit)) {
        return 0;
    }
    if (join_parts(s, &digit, seed.strong)) {
        finding->several = 1;
    }
    finding->box = box_of(s, &digit);
    if (is_worth_zooming(s, &digit, part)) {
        s->grey += part[0] * s->stride + part[1];
        s->full_height = part[2];
        s->full_width = part[3];
        return 2;
    }
    if (longer_of(&digit) < SMALLEST) {
        return 0;
    }
    /* strokes may fade by a sixth */
    int32_t strong = smaller(seed.strong, median_twice(s, MARK, 0, digit.area) * 6 / 5);
    struct image ink = draw_digit(s, &digit, strong);
    uint8_t *room = ink.pixels + ink.height * ink.width;
    ink = evened(&ink, room, longer > FEW && longer_of(&digit) * s->factor >= RESOLVED);
    bring_to_box(&ink, s->scratch, finding->pixels);
    return 1;
}

/* Whether a picture has MNIST's form: ink on black in a box of 20 x 20, its centre of mass in the middle. */
static int32_t is_normalised(const uint8_t *grey, int32_t stride)
{
    int32_t top = SIDE, bottom = 0, left = SIDE, right = 0, strongest = 0, sum = 0, down = 0, across = 0;
    for (int32_t y = 0; y < SIDE; y++) {
        for (int32_t x = 0; x < SIDE; x++) {
            int32_t ink = grey[y * stride + x];
            strongest = larger(strongest, ink);
            sum += ink;
            down += ink * (2 * y - 27);
            across += ink * (2 * x - 27);
            if (ink != 0) {
                top = smaller(top, y);
                bottom = larger(bottom, y);
                left = smaller(left, x);
                right = larger(right, x);
            }
        }
    }
    down = down < 0 ? -down : down;
    across = across < 0 ? -across : across;
    return strongest >= 128 && bottom - top < BOX && right - left < BOX && down <= 2 * sum && across <= 2 * sum;
}

static int32_t is_usable(const void *grey, int32_t width, int32_t height, int32_t stride, const void *workspace)
{
    int32_t shortest = NANO_SHORTEST_SIDE, longest = NANO_LONGEST_SIDE;
    return grey != NULL && workspace != NULL && (uintptr_t)workspace % sizeof(uint32_t) == 0 && width >= shortest &&
           width <= longest && height >= shortest && height <= longest && stride >= width;
}

int nano_find(const uint8_t *grey, int width, int height, int stride, void *workspace,
    nano_finding *finding)
{
    if (finding == NULL || !is_usable(grey, width, height, stride, workspace)) {
        return NANO_WRONG_ARGUMENT;
    }
    memset(finding, 0, sizeof *finding);
    if (width == SIDE && height == SIDE && is_normalised(grey, stride)) {
        for (int32_t y = 0; y < SIDE; y++) {
            memcpy(finding->pixels + y * SIDE, grey + y * stride, SIDE);
        }
        finding->ink = 1;
        finding->box.width = finding->box.height = SIDE;
        return 1;
    }
    struct search s;
    memset(&s, 0, sizeof s);
    s.grey = grey;
    s.stride = stride;
    s.full_height = height;
    s.full_width = width;
    s.cells = (uint16_t *)workspace;
    s.scratch = s.cells + NANO_CELLS(width, height);
    uint16_t *end = s.cells + NANO_CELLS(width, height) + NANO_SCRATCH(width, height) / 2;
    int32_t found;
    do {
        found = search(&s, end, finding);
    } while (found == 2);
    int32_t from = (int32_t)(s.grey - grey);
    finding->ink = (uint8_t)found;
    if (found) {
        finding->box.x = (int16_t)(finding->box.x + from % stride);
        finding->box.y = (int16_t)(finding->box.y + from / stride);
    } else {
        memset(&finding->box, 0, sizeof finding->box);
    }
    return found;
}

/* ---- Answers ---- */

/* 65535 times e to the minus so many steps of a logit; 0 for more. */
enum { EXPONENTIALS = 63 };
static const uint16_t exponentials[EXPONENTIALS] = {
    65535, 54256, 44917, 37186, 30786, 25487, 21101, 17469, 14462, 11973, 9912, 8206, 6794, 5625, 4657, 3855,
    3192, 2642, 2187, 1811, 1499, 1241, 1028, 851, 704, 583, 483, 400, 331, 274, 227, 188, 155, 129, 107, 88,
    73, 60, 50, 41, 34, 28, 24, 19, 16, 13, 11, 9, 8, 6, 5, 4, 4, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1
};

/* What the softmax makes of logits: the largest and the two largest share, and the sum that they are shares of. */
struct shares {
    uint32_t one, two, sum;
};

static struct shares shares_of(const int8_t *logits)
{
    struct shares shares = { 0, 0, 0 };
    uint32_t second = 0;
    int32_t best = -128;
    for (int32_t c = 0; c < NANO_CLASSES; c++) {
        best = larger(best, logits[c]);
    }
    for (int32_t c = 0; c < NANO_CLASSES; c++) {
        int32_t below = best - logits[c];
        uint32_t share = below < EXPONENTIALS ? exponentials[below] : 0;
        shares.sum += share;
        if (share > shares.one) {
            second = shares.one;
            shares.one = share;
        } else if (share > second) {
            second = share;
        }
    }
    shares.two = shares.one + second;
    return shares;
}

int nano_accepts(const int8_t logits[NANO_CLASSES])
{
    struct shares shares = shares_of(logits);
    return ((uint64_t)shares.one << 16) >= (uint64_t)NANO_MIN_SCORE * shares.sum &&
           ((uint64_t)shares.two << 16) >= (uint64_t)NANO_MIN_FAMILIARITY * shares.sum;
}

int nano_percent(const int8_t logits[NANO_CLASSES])
{
    struct shares shares = shares_of(logits);
    return (int)((100 * (uint64_t)shares.one + shares.sum / 2) / shares.sum);
}

int nano_read(const uint8_t *grey, int width, int height, int stride, const nano_box *boxes, int count,
    void *workspace, nano_finding *finding, nano_answer *answers)
{
    int read = 0;
    if (!is_usable(grey, width, height, stride, workspace) || boxes == NULL || finding == NULL || answers == NULL ||
        count < 0) {
        return NANO_WRONG_ARGUMENT;
    }
    for (int i = 0; i < count; i++) {
        const nano_box *box = &boxes[i];
        if (box->x < 0 || box->y < 0 || box->width > width - box->x || box->height > height - box->y ||
            !is_usable(grey, box->width, box->height, stride, workspace)) {
            return NANO_WRONG_ARGUMENT;
        }
    }
    for (int i = 0; i < count; i++) {
        const nano_box *box = &boxes[i];
        int8_t logits[NANO_CLASSES];
        answers[i].label = -1;
        answers[i].accepted = answers[i].percent = 0;
        const uint8_t *corner = grey + box->y * stride + box->x;
        if (nano_find(corner, box->width, box->height, stride, workspace, finding) == 1) {
            answers[i].label = (int16_t)nano_classify_in(finding->pixels, logits, workspace);
            answers[i].accepted = (uint8_t)(!finding->several && nano_accepts(logits));
            answers[i].percent = (uint8_t)nano_percent(logits);
            read++;
        }
    }
    return read;
}

/* ---- Strokes of a touch panel ---- */

enum { ONE = 256, PEN = 336 }; /* half of a stroke's width in a pixel's 256ths */

/* Ink, 0 to 256, of a pixel whose middle is so far from a segment. */
static int32_t coverage(int32_t x, int32_t y, int32_t dx, int32_t dy)
{
    int32_t length = dx * dx + dy * dy, along = within(x * dx + y * dy, 0, length);
    int32_t aside_x = x, aside_y = y;
    if (length > 0) {
        aside_x -= (int32_t)((int64_t)dx * along / length);
        aside_y -= (int32_t)((int64_t)dy * along / length);
    }
    return within(PEN + ONE / 2 - (int32_t)hypotenuse(aside_x, aside_y), 0, ONE);
}

int nano_draw(const nano_point *points, int count, uint8_t pixels[NANO_PIXELS])
{
    uint16_t ink[BOX * BOX];
    int32_t left = INT16_MAX, top = INT16_MAX, right = INT16_MIN, bottom = INT16_MIN;
    if ((points == NULL && count != 0) || count < 0 || pixels == NULL) {
        return NANO_WRONG_ARGUMENT;
    }
    for (int i = 0; i < count; i++) {
        if (points[i].x != NANO_PEN_UP) {
            left = smaller(left, points[i].x);
            right = larger(right, points[i].x);
            top = smaller(top, points[i].y);
            bottom = larger(bottom, points[i].y);
        }
    }
    memset(pixels, 0, NANO_PIXELS);
    if (right < left) {
        return 0;
    }
    /* the ink's longer side becomes 20 pixels; a dot is not enlarged */
    int32_t longer = larger(right - left, bottom - top), reach = BOX * ONE - 2 * PEN;
    int32_t wide = (right - left) * reach / larger(longer, 1), high = (bottom - top) * reach / larger(longer, 1);
    int32_t width = within(nearest(wide + 2 * PEN, ONE), 1, BOX), height = within(nearest(high + 2 * PEN, ONE), 1, BOX);
    int32_t from_x = (width * ONE - wide) / 2, from_y = (height * ONE - high) / 2, last_x = 0, last_y = 0, is_down = 0;
    memset(ink, 0, sizeof ink);
    for (int i = 0; i < count; i++) {
        if (points[i].x == NANO_PEN_UP) {
            is_down = 0;
            continue;
        }
        int32_t x = from_x + (points[i].x - left) * reach / larger(longer, 1);
        int32_t y = from_y + (points[i].y - top) * reach / larger(longer, 1);
        last_x = is_down ? last_x : x;
        last_y = is_down ? last_y : y;
        for (int32_t k = 0; k < width * height; k++) {
            int32_t at_x = k % width * ONE + ONE / 2, at_y = k / width * ONE + ONE / 2;
            int32_t more = coverage(at_x - last_x, at_y - last_y, x - last_x, y - last_y);
            ink[k] = (uint16_t)larger(ink[k], more);
        }
        last_x = x;
        last_y = y;
        is_down = 1;
    }
    centre(ink, height, width, pixels);
    return 1;
}

