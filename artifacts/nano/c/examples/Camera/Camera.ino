/* nano on what an ESP32-CAM (AI-Thinker) sees: one handwritten digit on paper, anywhere in the picture.
 * Open the Serial Monitor at 115200 baud. For another board, change the pins. */
#include <esp_camera.h>
#include <nano_camera.h>

static const char *const labels[NANO_CLASSES] = NANO_LABELS;

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

void loop()
{
  camera_fb_t *frame = esp_camera_fb_get();
  if (frame != NULL) {
    static uint32_t workspace[(NANO_WORKSPACE(160, 120) + 3) / 4];
    static nano_finding finding;
    if (nano_find(frame->buf, frame->width, frame->height, frame->width, workspace, &finding) == 1) {
      int8_t logits[NANO_CLASSES];
      int best = nano_classify(finding.pixels, logits);
      if (!finding.several && nano_accepts(logits)) {
        Serial.println(labels[best]);
      }
    }
    esp_camera_fb_return(frame);
  }
  delay(200);
}
