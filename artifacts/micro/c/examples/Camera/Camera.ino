/* micro on what an ESP32-CAM (AI-Thinker) sees: dark ink on light paper, one digit in the middle of the picture, about
 * half as high as the picture. Open the Serial Monitor at 115200 baud. For another board, change the pins. */
#include <esp_camera.h>
#include <micro.h>

enum { SIDE = 28, BLOCK = 4 }; // a square of 112 x 112 pixels becomes 28 x 28

static const char *const labels[MICRO_CLASSES] = MICRO_LABELS;

void setup()
{
  Serial.begin(115200);
  camera_config_t config = {};
  config.pin_d0 = 5;
  config.pin_d1 = 18;
  config.pin_d2 = 19;
  config.pin_d3 = 21;
  config.pin_d4 = 36;
  config.pin_d5 = 39;
  config.pin_d6 = 34;
  config.pin_d7 = 35;
  config.pin_xclk = 0;
  config.pin_pclk = 22;
  config.pin_vsync = 25;
  config.pin_href = 23;
  config.pin_sccb_sda = 26;
  config.pin_sccb_scl = 27;
  config.pin_pwdn = 32;
  config.pin_reset = -1;
  config.xclk_freq_hz = 20000000;
  config.ledc_timer = LEDC_TIMER_0;
  config.ledc_channel = LEDC_CHANNEL_0;
  config.pixel_format = PIXFORMAT_GRAYSCALE;
  config.frame_size = FRAMESIZE_QQVGA; // 160 x 120
  config.fb_count = 1;
  if (esp_camera_init(&config) != ESP_OK) {
    Serial.println("no camera");
  }
}

// The middle of a frame, shrunk by averaging: white ink on black. False where paper and ink hardly differ.
static bool shrink(const uint8_t *grey, size_t width, size_t height, uint8_t *picture)
{
  const uint8_t *corner = grey + (height - SIDE * BLOCK) / 2 * width + (width - SIDE * BLOCK) / 2;
  int paper = 0, ink = 255;
  for (int i = 0; i < SIDE * SIDE; i++) {
    const uint8_t *block = corner + (size_t)(i / SIDE * BLOCK) * width + i % SIDE * BLOCK;
    int sum = 0;
    for (int p = 0; p < BLOCK * BLOCK; p++) {
      sum += block[p / BLOCK * width + p % BLOCK];
    }
    int mean = sum / (BLOCK * BLOCK);
    picture[i] = (uint8_t)mean;
    paper = mean > paper ? mean : paper;
    ink = mean < ink ? mean : ink;
  }
  if (paper - ink < 40) {
    return false;
  }
  for (int i = 0; i < SIDE * SIDE; i++) {
    int strength = (paper - picture[i]) * 255 / (paper - ink);
    picture[i] = (uint8_t)(strength < 100 ? 0 : strength); // shadows and grain are paper
  }
  return true;
}

void loop()
{
  camera_fb_t *frame = esp_camera_fb_get();
  if (frame != NULL) {
    static uint8_t picture[MICRO_PIXELS];
    if (shrink(frame->buf, frame->width, frame->height, picture)) {
      int8_t logits[MICRO_CLASSES];
      Serial.println(labels[micro_classify(picture, logits)]);
    }
    esp_camera_fb_return(frame);
  }
  delay(200);
}
