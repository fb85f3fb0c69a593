#ifndef SALLYPORT_TOOLS_TERMINAL_H_
#define SALLYPORT_TOOLS_TERMINAL_H_

// The terminal as a canvas: alternate screen, no echo, keys one at a time. It
// is put back as it was when the object goes, and also when the process dies
// of a signal. One object at a time, main thread.

#include <string_view>

#include "absl/status/statusor.h"

namespace sallyport::cli {

struct TerminalSize {
  int rows = 24;
  int columns = 80;
};

class Terminal {
 public:
  // What woke us, besides keys.
  enum class Signal { kNone, kStop, kResize, kSuspend };

  // FailedPrecondition if stdin or stdout is no terminal.
  static absl::StatusOr<Terminal> Open();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal();

  int input_fd() const;
  int signal_fd() const { return signal_fd_; }

  // Does not block. 0: no key.
  char ReadKey() const;
  Signal ReadSignal() const;
  TerminalSize size() const;

  // Draws over the last frame, in one write: no flicker.
  void Draw(std::string_view frame) const;

  // Ctrl-Z: gives the terminal back, stops, takes it again on `fg`.
  void Suspend();

 private:
  explicit Terminal(int signal_fd) : signal_fd_(signal_fd) {}

  int signal_fd_;  // -1: moved from
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_TERMINAL_H_
