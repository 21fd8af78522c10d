/* micro on what is drawn on a touch panel: lift the pen for a second, and the digit is read.
 * For panels with an XPT2046 chip; install the library XPT2046_Touchscreen with the Library Manager.
 * Open the Serial Monitor at 115200 baud. */
#include <SPI.h>
#include <XPT2046_Touchscreen.h>
#include <micro.h>

enum { SIDE = 28, BOX = 20, MOST = 400, CHIP_SELECT = 8, PAUSE = 1000 };

static const char *const labels[MICRO_CLASSES] = MICRO_LABELS;
static XPT2046_Touchscreen panel(CHIP_SELECT);
static int16_t xs[MOST], ys[MOST]; // points of the pen; x is -1 where it was lifted
static int count = 0;
static unsigned long last = 0;
static bool down = false;

void setup()
{
  Serial.begin(115200);
  panel.begin();
}

// A dot with a soft edge, 2 pixels wide.
static void dot(uint8_t *picture, float x, float y)
{
  for (int row = 0; row < SIDE; row++) {
    for (int column = 0; column < SIDE; column++) {
      float away = sqrtf((x - column) * (x - column) + (y - row) * (y - row));
      float ink = away < 0.7f ? 255 : away < 1.7f ? 255 * (1.7f - away) : 0;
      uint8_t *pixel = &picture[row * SIDE + column];
      *pixel = ink > *pixel ? (uint8_t)ink : *pixel;
    }
  }
}

// The points as MNIST has a digit: in a box of 20 x 20, with their middle in the middle of the picture.
static void draw(uint8_t *picture)
{
  float left = 1e6f, right = -1e6f, top = 1e6f, bottom = -1e6f, x = 0, y = 0;
  int dots = 0;
  for (int i = 0; i < count; i++) {
    if (xs[i] >= 0) {
      left = min(left, (float)xs[i]);
      right = max(right, (float)xs[i]);
      top = min(top, (float)ys[i]);
      bottom = max(bottom, (float)ys[i]);
      x += xs[i];
      y += ys[i];
      dots++;
    }
  }
  float scale = (BOX - 2) / max(max(right - left, bottom - top), 1.0f);
  memset(picture, 0, SIDE * SIDE);
  for (int i = 0; i < count; i++) {
    int from = i > 0 && xs[i - 1] >= 0 ? i - 1 : i;
    for (int step = 1; xs[i] >= 0 && step <= 8; step++) { // the line from the point before
      float part = step / 8.0f;
      dot(picture, SIDE / 2 + scale * (xs[from] + part * (xs[i] - xs[from]) - x / dots),
          SIDE / 2 + scale * (ys[from] + part * (ys[i] - ys[from]) - y / dots));
    }
  }
}

static void add(int x, int y)
{
  if (count < MOST) {
    xs[count] = (int16_t)x;
    ys[count++] = (int16_t)y;
  }
}

void loop()
{
  if (panel.touched()) {
    TS_Point point = panel.getPoint(); // 0 to 4095
    add(point.x, point.y);
    last = millis();
    down = true;
  } else if (down) {
    add(-1, -1);
    down = false;
  } else if (count > 0 && millis() - last > PAUSE) {
    static uint8_t picture[MICRO_PIXELS];
    int8_t logits[MICRO_CLASSES];
    draw(picture);
    Serial.println(labels[micro_classify(picture, logits)]);
    count = 0;
  }
  delay(10);
}
