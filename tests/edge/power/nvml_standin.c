/* A stand-in for libnvidia-ml.so.1, as far as the meter asks it. NVML_STANDIN names each GPU's behaviour:
 *   counter  energy counter at 30 W, updated ten times a second, starting far from zero
 *   still    energy counter that never moves          zero   energy counter that is always 0
 *   power    no counter; power of 40 W                reset  energy counter that begins anew after a second
 *   none     NotSupported for both, as on a Jetson    lost   counter; NoPermission after a second
 *   mig      counter of a GPU in MIG mode             gone   the GPU has no handle (it has fallen off the bus)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, GPU_IS_LOST = 15 };

static char kinds[8][16];
static unsigned count;
static double begun;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int nvmlInitWithFlags(unsigned flags) {
  char text[128] = "counter", *word;
  if (getenv("NVML_STANDIN")) strncpy(text, getenv("NVML_STANDIN"), sizeof text - 1);
  for (count = 0, word = strtok(text, ","); word && count < 8; word = strtok(NULL, ",")) strncpy(kinds[count++], word, 15);
  begun = now();
  return OK;
}

int nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(int code) {
  return code == NOT_SUPPORTED ? "Not Supported" : code == NO_PERMISSION ? "Insufficient Permissions" : code == GPU_IS_LOST ? "GPU is lost" : "Invalid Argument";
}

int nvmlDeviceGetCount_v2(unsigned *n) {
  *n = count;
  return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
  *device = kinds[index];
  if (index < count && !strcmp(kinds[index], "gone")) return GPU_IS_LOST;
  return index < count ? OK : INVALID_ARGUMENT;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
  snprintf(uuid, length, "GPU-%d%d%d-standin", (int)(((char *)device - kinds[0]) / 16), 7, 7);
  return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules) {
  double at = (double)(long)((now() - begun) * 10) / 10;
  if (!strcmp(device, "power") || !strcmp(device, "none")) return NOT_SUPPORTED;
  if (!strcmp(device, "lost") && at > 1) return NO_PERMISSION;
  if (!strcmp(device, "still")) at = 0;
  *millijoules = (unsigned long long)(at * 30000) + 123456789;
  if (!strcmp(device, "zero")) *millijoules = 0;
  if (!strcmp(device, "reset") && at > 1) *millijoules -= 123456789;
  return OK;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
  if (!strcmp(device, "none")) return NOT_SUPPORTED;
  *milliwatts = 40000;
  return OK;
}

int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending) {
  *current = *pending = !strcmp(device, "mig");
  return OK;
}

int nvmlDeviceGetClockInfo(void *device, unsigned type, unsigned *megahertz) {
  *megahertz = 1410;
  return OK;
}

int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *celsius) {
  *celsius = 61;
  return OK;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons) {
  *reasons = 0x1 | 0x20; /* idle, and the driver's thermal slowdown */
  return OK;
}
