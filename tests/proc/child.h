#ifndef SALLYPORT_TESTS_PROC_CHILD_H_
#define SALLYPORT_TESTS_PROC_CHILD_H_

// A child process of a test: runs a function and waits to be killed, or runs a
// program. Both constructors return when the child is where it should be.
// Killed and reaped by the destructor.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

namespace sallyport {

class Child {
 public:
  explicit Child(const std::function<void()>& run) {
    Start([&](int ready) {
      run();
      close(ready);
      while (true) pause();
    });
  }
  // The descriptors that are not close-on-exec stay open in it.
  explicit Child(std::vector<std::string> command) {
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    Start([&](int) {
      execv(arguments[0], arguments.data());
      _exit(127);
    });
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  int32_t pid() const { return pid_; }

 private:
  template <typename Body>
  void Start(const Body& body) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(ready[0]);
      body(ready[1]);
      _exit(0);
    }
    close(ready[1]);
    char byte;
    // Ends when the child closed its end: by exec, or when it says so.
    while (read(ready[0], &byte, 1) > 0) {
    }
    close(ready[0]);
  }

  pid_t pid_ = -1;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_PROC_CHILD_H_
