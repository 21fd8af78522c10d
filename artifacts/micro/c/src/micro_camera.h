/* For Arduino and PlatformIO, which look for headers in src/. */
#include "../micro_camera.h"
