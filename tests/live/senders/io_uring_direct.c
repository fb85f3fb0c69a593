// A UDP socket that exists only as a direct descriptor of an io_uring: it is
// in no descriptor table. Usage: io_uring_direct ADDRESS PORT COUNT. Sends COUNT
// datagrams, says "sent", then waits for the end of its input. "skip REASON"
// if the kernel has no such thing. Plain system calls, so that liburing is not
// needed to run the tests.

#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ring;
static struct io_uring_params params;
static char *sq, *cq;
static struct io_uring_sqe *sqes;

static void Skip(const char *what) {
  printf("skip %s: %s\n", what, strerror(errno));
  exit(0);
}

static void Map(void) {
  const int prot = PROT_READ | PROT_WRITE;
  sq = mmap(NULL, params.sq_off.array + params.sq_entries * sizeof(unsigned),
            prot, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
  cq = mmap(NULL,
            params.cq_off.cqes +
                params.cq_entries * sizeof(struct io_uring_cqe),
            prot, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
  sqes = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), prot,
              MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
  if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED) Skip("mmap");
}

// Runs one request to its end; its result.
static int Run(const struct io_uring_sqe *request) {
  const unsigned mask = *(unsigned *)(sq + params.sq_off.ring_mask);
  _Atomic unsigned *tail = (_Atomic unsigned *)(sq + params.sq_off.tail);
  const unsigned at = *tail & mask;
  sqes[at] = *request;
  ((unsigned *)(sq + params.sq_off.array))[at] = at;
  atomic_store(tail, *tail + 1);
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL,
              0) < 0) {
    Skip("io_uring_enter");
  }
  _Atomic unsigned *head = (_Atomic unsigned *)(cq + params.cq_off.head);
  const unsigned cq_mask = *(unsigned *)(cq + params.cq_off.ring_mask);
  const struct io_uring_cqe *cqes =
      (const struct io_uring_cqe *)(cq + params.cq_off.cqes);
  const int result = cqes[*head & cq_mask].res;
  atomic_store(head, *head + 1);
  return result;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  ring = (int)syscall(SYS_io_uring_setup, 4, &params);
  if (ring < 0) Skip("io_uring_setup");
  Map();
  int slots[1] = {-1};  // one empty slot
  if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, slots, 1) <
      0) {
    Skip("register an empty file table");
  }
  struct io_uring_sqe request = {.opcode = IORING_OP_SOCKET,
                                 .fd = AF_INET,
                                 .off = SOCK_DGRAM,
                                 .file_index = 1};
  errno = -Run(&request);
  if (errno > 0) Skip("IORING_OP_SOCKET");

  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  request = (struct io_uring_sqe){.opcode = IORING_OP_CONNECT,
                                  .flags = IOSQE_FIXED_FILE,
                                  .fd = 0,
                                  .addr = (unsigned long)&to,
                                  .off = sizeof(to)};
  errno = -Run(&request);
  if (errno > 0) Skip("IORING_OP_CONNECT");
  for (int i = 0; i < atoi(argv[3]); ++i) {
    request = (struct io_uring_sqe){.opcode = IORING_OP_SEND,
                                    .flags = IOSQE_FIXED_FILE,
                                    .fd = 0,
                                    .addr = (unsigned long)"ring",
                                    .len = 4};
    if (Run(&request) != 4) return 1;
  }
  puts("sent");
  char end;
  return read(0, &end, 1) < 0;
}
