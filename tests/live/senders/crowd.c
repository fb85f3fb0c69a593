// A crowd: N processes that sleep, so that /proc is long. Says "ready", and
// ends them all when its input ends. Usage: crowd N

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const int count = argc == 2 ? atoi(argv[1]) : 0;
  const pid_t parent = getpid();
  for (int i = 0; i < count; ++i) {
    const pid_t pid = fork();
    if (pid < 0) {
      perror("crowd: fork");
      return 1;
    }
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(0);
      for (;;) pause();
    }
  }
  puts("ready");
  fflush(stdout);
  char end;
  return read(0, &end, 1) < 0;
}
