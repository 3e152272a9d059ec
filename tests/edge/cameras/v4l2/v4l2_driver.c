/* A V4L2 driver that the real OpenCV, and all else in a process, meets through LD_PRELOAD: open and ioctl of one
 * path. Its pictures are of clear glass, as bright as exposure and gain make them, redder the higher the kelvin.
 *
 * LEUKOSCOPE_V4L2_NODE: the path. LEUKOSCOPE_V4L2_STATE: a file of 32-bit numbers, as `enum state` has them, by
 * which a test sees and changes the device while it runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 320, HEIGHT = 240, BYTES = 2 * WIDTH * HEIGHT, PAGE = 1 << 18, BUFFERS = 8, FILES = 1024 };
enum state { THERE, EXPOSURE_AUTO, EXPOSURE, GAIN, WHITE_AUTO, KELVIN, STUBBORN, LINES, REFUSED, NUMBERS };

static volatile int32_t *state;
static char ours[FILES];
static int queue[BUFFERS], queued;
static uint32_t sequence;

static const struct { uint32_t id; int where, least, most; } CONTROLS[] = {
    {V4L2_CID_EXPOSURE_AUTO, EXPOSURE_AUTO, 0, 3},
    {V4L2_CID_EXPOSURE_ABSOLUTE, EXPOSURE, 3, 2047},
    {V4L2_CID_GAIN, GAIN, 0, 255},
    {V4L2_CID_AUTO_WHITE_BALANCE, WHITE_AUTO, 0, 1},
    {V4L2_CID_WHITE_BALANCE_TEMPERATURE, KELVIN, 2800, 6500},
};

static int refuse(int why) {
    errno = why;
    return -1;
}

static int find(uint32_t id) {
    for (int n = 0; n < 5; n++)
        if (CONTROLS[n].id == id) return n;
    return -1;
}

static int take(void) {
    const char *path = getenv("LEUKOSCOPE_V4L2_STATE");
    if (!state) {
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        int file = real(path, O_RDWR);
        state = mmap(NULL, NUMBERS * 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
    }
    if (!state[THERE]) return refuse(ENODEV);
    int made = memfd_create("v4l2", 0);
    if (made < 0 || made >= FILES || ftruncate(made, (off_t)PAGE * BUFFERS)) return refuse(EMFILE);
    ours[made] = 1;
    return made;
}

static int is_node(const char *path) {
    const char *node = getenv("LEUKOSCOPE_V4L2_NODE");
    return node && path && !strcmp(path, node);
}

#define OPEN(NAME)                                                        \
    int NAME(const char *path, int flags, ...) {                          \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest);                                                     \
        if (is_node(path)) return take();                                 \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #NAME);    \
        return real(path, flags, mode);                                   \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    if (file >= 0 && file < FILES) ours[file] = 0;
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    return real(file);
}

static int control(struct v4l2_control *asked, int is_set) {
    int n = find(asked->id);
    if (n < 0) return refuse(EINVAL);
    int where = CONTROLS[n].where;
    if (!is_set) {
        asked->value = state[where];
        return 0;
    }
    int automatic = (where == EXPOSURE && state[EXPOSURE_AUTO] != 1 && state[EXPOSURE_AUTO] != 2) ||
                    (where == KELVIN && state[WHITE_AUTO]);
    if (automatic || state[STUBBORN] == where) {
        state[REFUSED]++;
        return refuse(EACCES);
    }
    int value = asked->value;
    if (where == EXPOSURE && state[LINES] > 1) value = (value + state[LINES] / 2) / state[LINES] * state[LINES];
    if (value < CONTROLS[n].least) value = CONTROLS[n].least;
    if (value > CONTROLS[n].most) value = CONTROLS[n].most;
    state[where] = asked->value = value;
    return 0;
}

static uint8_t within(double value) { return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)(value + 0.5); }

/* YUYV by BT.601: 16 to 235, and colour around 128. */
static void draw(int file, int buffer) {
    static uint8_t picture[BYTES];
    int exposure = state[EXPOSURE_AUTO] == 3 ? 2000 : state[EXPOSURE];
    double light = 1.6 * exposure * (1 + state[GAIN] / 64.0);
    double warmth = (state[KELVIN] - 5200) / 100.0;
    for (int n = 0; n < BYTES; n += 4) {
        int grain = rand() % 5 - 2;
        picture[n] = picture[n + 2] = within(16 + (light > 255 ? 255 : light + grain) * 219 / 255);
        picture[n + 1] = within(128 - warmth);
        picture[n + 3] = within(128 + warmth);
    }
    if (pwrite(file, picture, BYTES, (off_t)PAGE * buffer) != BYTES) abort();
}

static int fill(int file, struct v4l2_buffer *buffer) {
    struct timespec pause = {0, 20000000}, now;
    nanosleep(&pause, NULL);
    if (!state[THERE]) return refuse(ENODEV);
    if (!queued) return refuse(EAGAIN);
    int number = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    draw(file, number);
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->index = number;
    buffer->bytesused = BYTES;
    buffer->length = PAGE;
    buffer->flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    buffer->sequence = sequence++;
    return 0;
}

static int answer(int file, unsigned long request, void *what) {
    if (!state[THERE]) return refuse(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *able = what;
        memset(able, 0, sizeof *able);
        strcpy((char *)able->driver, "uvcvideo");
        strcpy((char *)able->card, "Drawn Microscope");
        able->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        able->capabilities = able->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_G_INPUT:
    case VIDIOC_S_INPUT:
        *(int *)what = 0;
        return 0;
    case VIDIOC_ENUMINPUT:
        return ((struct v4l2_input *)what)->index ? refuse(EINVAL) : 0;
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT: {
        struct v4l2_pix_format *format = &((struct v4l2_format *)what)->fmt.pix;
        format->width = WIDTH;
        format->height = HEIGHT;
        format->pixelformat = V4L2_PIX_FMT_YUYV;
        format->field = V4L2_FIELD_NONE;
        format->bytesperline = 2 * WIDTH;
        format->sizeimage = BYTES;
        return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_captureparm *rate = &((struct v4l2_streamparm *)what)->parm.capture;
        rate->capability = V4L2_CAP_TIMEPERFRAME;
        rate->timeperframe = (struct v4l2_fract){1, 30};
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wanted = what;
        if (wanted->memory != V4L2_MEMORY_MMAP) return refuse(EINVAL);
        if (wanted->count > BUFFERS) wanted->count = BUFFERS;
        queued = 0;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = what;
        buffer->length = PAGE;
        buffer->m.offset = PAGE * buffer->index;
        return 0;
    }
    case VIDIOC_QBUF:
        if (queued < BUFFERS) queue[queued++] = ((struct v4l2_buffer *)what)->index;
        return 0;
    case VIDIOC_DQBUF:
        return fill(file, what);
    case VIDIOC_STREAMON:
        return 0;
    case VIDIOC_STREAMOFF:
        queued = 0;
        return 0;
    case VIDIOC_QUERYCTRL: {
        struct v4l2_queryctrl *control = what;
        int n = find(control->id);
        if (n < 0) return refuse(EINVAL);
        control->type = V4L2_CTRL_TYPE_INTEGER;
        control->minimum = CONTROLS[n].least;
        control->maximum = CONTROLS[n].most;
        control->step = 1;
        control->default_value = CONTROLS[n].least;
        control->flags = 0;
        return 0;
    }
    case VIDIOC_G_CTRL:
        return control(what, 0);
    case VIDIOC_S_CTRL:
        return control(what, 1);
    default:
        return refuse(ENOTTY);
    }
}

int ioctl(int file, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *what = va_arg(rest, void *);
    va_end(rest);
    if (file < 0 || file >= FILES || !ours[file]) {
        int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
        return real(file, request, what);
    }
    int done = answer(file, request & 0xffffffffUL, what);
    if (getenv("LEUKOSCOPE_V4L2_TRACE")) dprintf(2, "ioctl %lx -> %d\n", request, done);
    return done;
}
