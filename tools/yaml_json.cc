#include "tools/yaml_json.h"

#include <yaml.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

struct EventDeleter {
  void operator()(yaml_event_t* event) const {
    yaml_event_delete(event);
    delete event;
  }
};
using Event = std::unique_ptr<yaml_event_t, EventDeleter>;

std::string_view TextOf(const yaml_event_t& event) {
  return {reinterpret_cast<const char*>(event.data.scalar.value),
          event.data.scalar.length};
}

InputJson ValueOf(const yaml_event_t& event) {
  const std::string_view text = TextOf(event);
  if (event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
    if (text.empty() || text == "~" || text == "null") return nullptr;
    if (text == "true") return true;
    if (text == "false") return false;
    int64_t number = 0;
    if (ParseNumber(text, &number)) return number;
  }
  return std::string(text);
}

class Reader {
 public:
  explicit Reader(const ImportFile& file) : file_(file) {}
  ~Reader() {
    if (ready_) yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  absl::StatusOr<InputJson> Run() {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return absl::ResourceExhaustedError("out of memory");
    yaml_parser_set_input_string(
        &parser_, reinterpret_cast<const unsigned char*>(file_.text.data()),
        file_.text.size());
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    absl::StatusOr<Event> event = Next();
    if (event.ok()) event = Next();  // behind the begin of the stream
    if (!event.ok()) return event.status();
    if ((*event)->type == YAML_STREAM_END_EVENT) return InputJson();
    event = Next();
    if (!event.ok()) return event.status();
    InputJson value;
    const absl::Status read = Node(**event, 0, &value);
    if (!read.ok()) return read;
    event = Next();  // end of the document
    if (event.ok()) event = Next();
    if (!event.ok()) return event.status();
    if ((*event)->type != YAML_STREAM_END_EVENT) {
      return Wrong(**event, "a second document");
    }
    return value;
  }

 private:
  absl::Status WrongAt(const yaml_mark_t& mark, std::string_view what) const {
    return absl::InvalidArgumentError(EscapeForTerminal(Concat(
        file_.name, ":", mark.line + 1, ":", mark.column + 1, ": ", what)));
  }
  absl::Status Wrong(const yaml_event_t& event, std::string_view what) const {
    return WrongAt(event.start_mark, what);
  }

  absl::StatusOr<Event> Next() {
    auto raw = std::make_unique<yaml_event_t>();
    if (yaml_parser_parse(&parser_, raw.get()) != 1) {
      const char* problem = parser_.problem;
      return WrongAt(parser_.problem_mark,
                     Concat("no YAML: ", problem == nullptr ? "" : problem));
    }
    return Event(raw.release());
  }

  absl::Status Node(const yaml_event_t& event, size_t depth, InputJson* out) {
    if (depth > kMaxImportDepth) {
      return Wrong(event,
                   Concat("nested deeper than ", kMaxImportDepth, " levels"));
    }
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        if (event.data.scalar.anchor != nullptr) break;
        *out = ValueOf(event);
        return absl::OkStatus();
      case YAML_SEQUENCE_START_EVENT:
        if (event.data.sequence_start.anchor != nullptr) break;
        return Sequence(depth, out);
      case YAML_MAPPING_START_EVENT:
        if (event.data.mapping_start.anchor != nullptr) break;
        return Mapping(depth, out);
      default:
        break;
    }
    return Wrong(event, "anchors and aliases are not read");
  }

  absl::Status Sequence(size_t depth, InputJson* out) {
    *out = InputJson::array();
    for (;;) {
      const absl::StatusOr<Event> event = Next();
      if (!event.ok()) return event.status();
      if ((*event)->type == YAML_SEQUENCE_END_EVENT) return absl::OkStatus();
      InputJson value;
      const absl::Status read = Node(**event, depth + 1, &value);
      if (!read.ok()) return read;
      out->push_back(std::move(value));
    }
  }

  absl::Status Mapping(size_t depth, InputJson* out) {
    *out = InputJson::object();
    for (;;) {
      const absl::StatusOr<Event> key = Next();
      if (!key.ok()) return key.status();
      if ((*key)->type == YAML_MAPPING_END_EVENT) return absl::OkStatus();
      if ((*key)->type != YAML_SCALAR_EVENT) {
        return Wrong(**key, "a key must be a text");
      }
      const std::string name(TextOf(**key));
      if (out->contains(name)) {
        return Wrong(**key, Concat("key ", QuoteForMessage(name), " twice"));
      }
      const absl::StatusOr<Event> event = Next();
      if (!event.ok()) return event.status();
      const absl::Status read = Node(**event, depth + 1, &(*out)[name]);
      if (!read.ok()) return read;
    }
  }

  const ImportFile& file_;
  yaml_parser_t parser_;
  bool ready_ = false;
};

}  // namespace

absl::StatusOr<InputJson> ParseImportYaml(const ImportFile& file) {
  if (file.text.size() > kMaxImportBytes) {
    return absl::ResourceExhaustedError(
        Concat(file.name, ": longer than ", kMaxImportBytes, " bytes"));
  }
  return Reader(file).Run();
}

}  // namespace sallyport::cli
