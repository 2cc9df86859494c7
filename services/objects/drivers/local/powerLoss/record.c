/* Preloaded into a process by powerLoss.test.ts: writes down, in order, what the process does to the files below POWER_LOSS_ROOT and what it says on
 * its standard output, into the file POWER_LOSS_LOG. Each record: total length 4, operation 1, synchronous 1, inode 8, offset 8, length of path 4, of
 * data 4; then path and data. Native byte order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, NAME, UNNAME, FOLDER, FOLDER_SYNC_BEGIN, FOLDER_SYNC_END, SAID };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_length;

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("POWER_LOSS_ROOT"), *file = getenv("POWER_LOSS_LOG");
  if (!given || !file || !realpath(given, root)) return;
  root_length = strlen(root);
  static int (*real_open)(const char *, int, ...);
  real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  log_fd = real_open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void record(uint8_t operation, uint8_t synchronous, uint64_t inode, uint64_t offset, const char *path, const struct iovec *data, int pieces) {
  if (log_fd < 0) return;
  REAL(ssize_t, writev, int, const struct iovec *, int);
  uint32_t path_length = path ? strlen(path) : 0, data_length = 0;
  for (int i = 0; i < pieces; i++) data_length += data[i].iov_len;
  uint8_t head[30];
  uint32_t total = sizeof head + path_length + data_length;
  memcpy(head, &total, 4);
  head[4] = operation;
  head[5] = synchronous;
  memcpy(head + 6, &inode, 8);
  memcpy(head + 14, &offset, 8);
  memcpy(head + 22, &path_length, 4);
  memcpy(head + 26, &data_length, 4);
  pthread_mutex_lock(&mutex);
  struct iovec start[2] = {{head, sizeof head}, {(void *)path, path_length}};
  real(log_fd, start, 2);
  if (pieces) real(log_fd, data, pieces);
  pthread_mutex_unlock(&mutex);
}

static int below(const char *path) { return root_length && strncmp(path, root, root_length) == 0 && path[root_length] == '/'; }

/* The path of an open file; 0 when it is none of ours. */
static int path_of(int fd, char *path) {
  char name[40];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return below(path) || strcmp(path, root) == 0;
}

static uint64_t inode_of(int fd, struct stat *found) { return fstat(fd, found) == 0 ? found->st_ino : 0; }

static int opened(int fd, int flags) {
  char path[PATH_MAX];
  struct stat found;
  if (fd < 0 || !(flags & (O_CREAT | O_TRUNC)) || !path_of(fd, path)) return fd;
  uint64_t inode = inode_of(fd, &found);
  if (S_ISREG(found.st_mode) && found.st_size == 0) record(CREATE, 0, inode, 0, path, NULL, 0);
  return fd;
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(int, name, const char *, int, ...); \
    va_list list; \
    va_start(list, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list); \
    return opened(real(path, flags, mode), flags); \
  }
OPEN(open)
OPEN(open64)

static void wrote(int fd, const struct iovec *data, int pieces, off_t offset, ssize_t done) {
  char path[PATH_MAX];
  struct stat found;
  if (done <= 0 || fd == log_fd) return;
  if (fd == 1) {
    record(SAID, 0, 0, 0, NULL, data, pieces);
    return;
  }
  if (!path_of(fd, path)) return;
  struct iovec cut[64];
  int used = 0;
  size_t left = done;
  for (int i = 0; i < pieces && left > 0 && used < 64; i++) {
    cut[used].iov_base = data[i].iov_base;
    cut[used].iov_len = data[i].iov_len < left ? data[i].iov_len : left;
    left -= cut[used++].iov_len;
  }
  int flags = fcntl(fd, F_GETFL);
  uint64_t inode = inode_of(fd, &found);
  /* Without an offset the file's own has moved behind what was written. */
  if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - done;
  record(WRITE, (flags & O_DSYNC) != 0, inode, offset, NULL, cut, used);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(ssize_t, write, int, const void *, size_t);
  ssize_t done = real(fd, bytes, length);
  struct iovec data = {(void *)bytes, length};
  wrote(fd, &data, 1, -1, done);
  return done;
}
ssize_t writev(int fd, const struct iovec *data, int pieces) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  ssize_t done = real(fd, data, pieces);
  wrote(fd, data, pieces, -1, done);
  return done;
}
#define PWRITE(name, type) \
  ssize_t name(int fd, const void *bytes, size_t length, type offset) { \
    REAL(ssize_t, name, int, const void *, size_t, type); \
    ssize_t done = real(fd, bytes, length, offset); \
    struct iovec data = {(void *)bytes, length}; \
    wrote(fd, &data, 1, offset, done); \
    return done; \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
#define PWRITEV(name, type) \
  ssize_t name(int fd, const struct iovec *data, int pieces, type offset) { \
    REAL(ssize_t, name, int, const struct iovec *, int, type); \
    ssize_t done = real(fd, data, pieces, offset); \
    wrote(fd, data, pieces, offset, done); \
    return done; \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define TRUNCATES(name, type) \
  int name(int fd, type length) { \
    REAL(int, name, int, type); \
    int answer = real(fd, length); \
    char path[PATH_MAX]; \
    struct stat found; \
    if (answer == 0 && path_of(fd, path)) record(TRUNCATE, 0, inode_of(fd, &found), length, NULL, NULL, 0); \
    return answer; \
  }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

/* What was written before the beginning is on the disk at the end. */
#define SYNCS(name) \
  int name(int fd) { \
    REAL(int, name, int); \
    char path[PATH_MAX]; \
    struct stat found; \
    int ours = path_of(fd, path); \
    uint64_t inode = ours ? inode_of(fd, &found) : 0; \
    int folder = ours && S_ISDIR(found.st_mode); \
    static uint64_t numbers; \
    uint64_t number = __atomic_add_fetch(&numbers, 1, __ATOMIC_SEQ_CST); \
    if (ours) record(folder ? FOLDER_SYNC_BEGIN : SYNC_BEGIN, 0, inode, number, path, NULL, 0); \
    int answer = real(fd); \
    if (ours && answer == 0) record(folder ? FOLDER_SYNC_END : SYNC_END, 0, inode, number, path, NULL, 0); \
    return answer; \
  }
SYNCS(fsync)
SYNCS(fdatasync)

static void named(const char *path) {
  struct stat found;
  if (below(path) && lstat(path, &found) == 0) record(S_ISDIR(found.st_mode) ? FOLDER : NAME, 0, found.st_ino, 0, path, NULL, 0);
}
static void unnamed(const char *path) {
  if (below(path)) record(UNNAME, 0, 0, 0, path, NULL, 0);
}

int link(const char *from, const char *to) {
  REAL(int, link, const char *, const char *);
  int answer = real(from, to);
  if (answer == 0) named(to);
  return answer;
}
int rename(const char *from, const char *to) {
  REAL(int, rename, const char *, const char *);
  int answer = real(from, to);
  if (answer == 0) {
    named(to);
    unnamed(from);
  }
  return answer;
}
int unlink(const char *path) {
  REAL(int, unlink, const char *);
  int answer = real(path);
  if (answer == 0) unnamed(path);
  return answer;
}
int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, const char *, mode_t);
  int answer = real(path, mode);
  if (answer == 0) named(path);
  return answer;
}
