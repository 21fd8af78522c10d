/* For Arduino and PlatformIO, which look for headers in src/. */
#include "../nano_camera.h"
