/* nano on what is drawn on a touch panel: lift the pen for a second, and the digit is read.
 * For panels with an XPT2046 chip; install the library XPT2046_Touchscreen with the Library Manager.
 * Open the Serial Monitor at 115200 baud. */
#include <SPI.h>
#include <XPT2046_Touchscreen.h>
#include <nano_camera.h>

enum { MOST = 400, CHIP_SELECT = 8, PAUSE = 1000 };

static const char *const labels[NANO_CLASSES] = NANO_LABELS;
static XPT2046_Touchscreen panel(CHIP_SELECT);
static nano_point points[MOST];
static int count = 0;
static unsigned long last = 0;
static bool down = false;

void setup()
{
  Serial.begin(115200);
  panel.begin();
}

static void add(int x, int y)
{
  if (count < MOST) {
    points[count].x = (int16_t)x;
    points[count++].y = (int16_t)y;
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
    add(NANO_PEN_UP, 0);
    down = false;
  } else if (count > 0 && millis() - last > PAUSE) {
    static uint8_t picture[NANO_PIXELS];
    int8_t logits[NANO_CLASSES];
    nano_draw(points, count, picture);
    Serial.println(labels[nano_classify(picture, logits)]);
    count = 0;
  }
  delay(10);
}
