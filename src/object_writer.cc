#include "src/object_writer.h"

#include <charconv>
#include <chrono>

#include "src/escape.h"

namespace sallyport {

void ObjectWriter::Key(std::string_view key) {
  if (!first_) out_->push_back(',');
  first_ = false;
  out_->push_back('"');
  out_->append(key);
  out_->append("\":");
}

void ObjectWriter::Text(std::string_view key, std::string_view foreign_text) {
  Key(key);
  AppendJsonString(TruncateUtf8(foreign_text, kMaxTextBytes), out_);
}

void ObjectWriter::Texts(std::string_view key,
                         std::span<const std::string> foreign_texts) {
  Key(key);
  out_->push_back('[');
  for (size_t i = 0; i < foreign_texts.size(); ++i) {
    if (i > 0) out_->push_back(',');
    AppendJsonString(TruncateUtf8(foreign_texts[i], kMaxTextBytes), out_);
  }
  out_->push_back(']');
}

void ObjectWriter::Word(std::string_view key, std::string_view word) {
  Key(key);
  out_->push_back('"');
  out_->append(word);
  out_->push_back('"');
}

void ObjectWriter::Number(std::string_view key, uint64_t number) {
  Key(key);
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  out_->append(digits, end);
}

void ObjectWriter::Bool(std::string_view key, bool value) {
  Key(key);
  out_->append(value ? "true" : "false");
}

char* PutDigits(char* at, uint32_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i) {
    at[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return at + digits;
}

std::string_view FormatTimestamp(int64_t time_ns, char (&buffer)[32]) {
  using namespace std::chrono;  // NOLINT: calendar types of one function
  const sys_time<nanoseconds> time{nanoseconds(time_ns)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss<microseconds> clock(floor<microseconds>(time - day));
  char* at = buffer;
  at = PutDigits(at, static_cast<uint32_t>(int{date.year()}), 4);
  *at++ = '-';
  at = PutDigits(at, unsigned{date.month()}, 2);
  *at++ = '-';
  at = PutDigits(at, unsigned{date.day()}, 2);
  *at++ = 'T';
  at = PutDigits(at, static_cast<uint32_t>(clock.hours().count()), 2);
  *at++ = ':';
  at = PutDigits(at, static_cast<uint32_t>(clock.minutes().count()), 2);
  *at++ = ':';
  at = PutDigits(at, static_cast<uint32_t>(clock.seconds().count()), 2);
  *at++ = '.';
  at = PutDigits(at, static_cast<uint32_t>(clock.subseconds().count()), 6);
  *at++ = 'Z';
  return std::string_view(buffer, static_cast<size_t>(at - buffer));
}

}  // namespace sallyport
