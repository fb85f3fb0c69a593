#ifndef SALLYPORT_SRC_OBJECT_WRITER_H_
#define SALLYPORT_SRC_OBJECT_WRITER_H_

// JSON of events, written by hand into a string that the caller reuses, because
// it is done for every flow. An ObjectWriter appends the members of one object;
// nested ones are begun after Key, on the same string. Text from outside is
// escaped (escape.h) and cut at kMaxTextBytes. One thread at a time.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sallyport {

// A path has at most 4,095 bytes; a command line may have megabytes.
inline constexpr size_t kMaxTextBytes = 4096;

class ObjectWriter {
 public:
  explicit ObjectWriter(std::string* out) : out_(out) { out_->push_back('{'); }
  void End() { out_->push_back('}'); }

  // REQUIRES (all): `key` needs no escaping.
  void Key(std::string_view key);
  void Text(std::string_view key, std::string_view foreign_text);
  void Texts(std::string_view key, std::span<const std::string> foreign_texts);
  // For words of ours.
  void Word(std::string_view key, std::string_view word);
  void Number(std::string_view key, uint64_t number);
  void Bool(std::string_view key, bool value);

 private:
  std::string* const out_;
  bool first_ = true;
};

// Writes `value` with leading zeros; returns the end.
char* PutDigits(char* at, uint32_t value, int digits);

// RFC 3339 in UTC with microseconds. REQUIRES: a time of this age, not one that
// somebody made up.
std::string_view FormatTimestamp(int64_t time_ns, char (&buffer)[32]);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_OBJECT_WRITER_H_
