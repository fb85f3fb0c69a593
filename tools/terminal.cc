#include "tools/terminal.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include "rules/text_util.h"

namespace sallyport::cli {
namespace {

// Alternate screen, hidden cursor, no line wrap; and back.
constexpr std::string_view kEnter = "\033[?1049h\033[?25l\033[?7l\033[2J";
constexpr std::string_view kLeave = "\033[?7h\033[?25h\033[?1049l";

constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS,  SIGFPE,
                                 SIGILL,  SIGABRT, SIGQUIT};

// What a signal handler needs, hence global: set before the handlers are
// installed, constant while they are.
termios saved_termios;

void WriteAll(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the terminal is gone
    text.remove_prefix(static_cast<size_t>(written));
  }
}

// Async-signal-safe.
void Restore() {
  WriteAll(kLeave);
  tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
}

void OnFatalSignal(int number) {
  Restore();
  signal(number, SIG_DFL);
  raise(number);
}

void TakeTerminal() {
  termios raw = saved_termios;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  WriteAll(kEnter);
}

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP}) {
    sigaddset(&set, number);
  }
  return set;
}

}  // namespace

absl::StatusOr<Terminal> Terminal::Open() {
  if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 ||
      tcgetattr(STDIN_FILENO, &saved_termios) != 0) {
    return absl::FailedPreconditionError("not a terminal");
  }
  const sigset_t watched = WatchedSignals();
  const int fd = signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "signalfd");
  sigprocmask(SIG_BLOCK, &watched, nullptr);
  for (int number : kFatalSignals) signal(number, &OnFatalSignal);
  TakeTerminal();
  return Terminal(fd);
}

Terminal::Terminal(Terminal&& other) noexcept
    : signal_fd_(std::exchange(other.signal_fd_, -1)) {}

Terminal::~Terminal() {
  if (signal_fd_ < 0) return;
  Restore();
  for (int number : kFatalSignals) signal(number, SIG_DFL);
  const sigset_t watched = WatchedSignals();
  // Those that came meanwhile have been acted upon: we are leaving.
  while (ReadSignal() != Signal::kNone) {
  }
  sigprocmask(SIG_UNBLOCK, &watched, nullptr);
  close(signal_fd_);
}

int Terminal::input_fd() const { return STDIN_FILENO; }

char Terminal::ReadKey() const {
  char key = 0;
  return read(STDIN_FILENO, &key, 1) == 1 ? key : '\0';
}

Terminal::Signal Terminal::ReadSignal() const {
  signalfd_siginfo info;
  if (read(signal_fd_, &info, sizeof(info)) !=
      static_cast<ssize_t>(sizeof(info))) {
    return Signal::kNone;
  }
  if (info.ssi_signo == SIGWINCH) return Signal::kResize;
  if (info.ssi_signo == SIGTSTP) return Signal::kSuspend;
  return Signal::kStop;
}

TerminalSize Terminal::size() const {
  winsize window{};
  TerminalSize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 &&
      window.ws_col > 0) {
    size.rows = window.ws_row;
    size.columns = window.ws_col;
  }
  return size;
}

void Terminal::Draw(std::string_view frame) const {
  WriteAll(Concat("\033[H", frame, "\033[J"));
}

void Terminal::Suspend() {
  Restore();
  raise(SIGSTOP);  // SIGTSTP itself is blocked
  TakeTerminal();
}

}  // namespace sallyport::cli
