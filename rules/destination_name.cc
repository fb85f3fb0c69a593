#include "rules/destination_name.h"

#include <algorithm>
#include <iterator>

#include "rules/address.h"

namespace sallyport {
namespace {

// Under a country's two letters: words that registries keep for themselves.
constexpr std::string_view kRegistryWords[] = {
    "ac",   "co",  "com",  "ed",  "edu",    "firm", "gen", "go", "gob",
    "gouv", "gov", "gr",   "gub", "gv",     "id",   "ind", "lg", "ltd",
    "me",   "mil", "muni", "ne",  "net",    "nic",  "nom", "or", "org",
    "plc",  "re",  "res",  "sch", "school", "web"};

// And others, as they are.
constexpr std::string_view kRegistrySuffixes[] = {
    "ad.jp",   "asn.au", "bel.tr",    "biz.pl",  "eu.org",  "geek.nz",
    "govt.nz", "idv.tw", "in.th",     "info.pl", "kiev.ua", "kyiv.ua",
    "nhs.uk",  "pe.kr",  "police.uk", "uk.com",  "us.com",  "waw.pl"};

// Their names belong to customers, who are strangers to each other.
constexpr std::string_view kSharedDomains[] = {"akamai.net",
                                               "akamaiedge.net",
                                               "akamaihd.net",
                                               "akamaized.net",
                                               "amazonaws.com",
                                               "appspot.com",
                                               "awsglobalaccelerator.com",
                                               "azure.com",
                                               "azure.net",
                                               "azurecontainer.io",
                                               "azureedge.net",
                                               "azurefd.net",
                                               "azurewebsites.net",
                                               "b-cdn.net",
                                               "backblazeb2.com",
                                               "bitbucket.io",
                                               "blogspot.com",
                                               "cdn77.org",
                                               "cloudapp.net",
                                               "cloudflare.net",
                                               "cloudfront.net",
                                               "digitaloceanspaces.com",
                                               "duckdns.org",
                                               "dyndns.org",
                                               "edgekey.net",
                                               "edgesuite.net",
                                               "fastly.net",
                                               "fastlylb.net",
                                               "firebaseapp.com",
                                               "fly.dev",
                                               "github.io",
                                               "githubusercontent.com",
                                               "gitlab.io",
                                               "googleusercontent.com",
                                               "herokuapp.com",
                                               "linodeobjects.com",
                                               "myshopify.com",
                                               "netlify.app",
                                               "ngrok.io",
                                               "ngrok-free.app",
                                               "no-ip.org",
                                               "onrender.com",
                                               "pages.dev",
                                               "r2.dev",
                                               "readthedocs.io",
                                               "run.app",
                                               "sslip.io",
                                               "trafficmanager.net",
                                               "vercel.app",
                                               "wasabisys.com",
                                               "web.app",
                                               "windows.net",
                                               "wordpress.com",
                                               "workers.dev"};

template <size_t kCount>
bool IsOneOf(std::string_view text, const std::string_view (&list)[kCount]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// The last `count` labels of `name`; "" if it has fewer.
std::string_view LastLabels(std::string_view name, int count) {
  size_t begin = name.size();
  while (count-- > 0) {
    if (begin == 0 || begin == name.npos) return "";
    const size_t dot = name.rfind('.', begin - 1);
    if (dot == name.npos) return count == 0 ? name : "";
    begin = dot;
  }
  return name.substr(begin + 1);
}

// REQUIRES: `suffix` has two labels
bool IsRegistrySuffix(std::string_view suffix) {
  if (IsOneOf(suffix, kRegistrySuffixes)) return true;
  const size_t dot = suffix.find('.');
  return suffix.size() - dot == 3 &&
         IsOneOf(suffix.substr(0, dot), kRegistryWords);
}

}  // namespace

std::string NormalName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kMaxNameBytes) return "";
  std::string normal;
  normal.reserve(name.size());
  size_t label_bytes = 0;
  size_t labels = 1;
  bool only_digits = true;  // of the label that is being read
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '.') {
      if (label_bytes == 0) return "";
      ++labels;
      label_bytes = 0;
      only_digits = true;
    } else {
      if (!IsNameByte(c) || ++label_bytes > kMaxLabelBytes) return "";
      only_digits = only_digits && c >= '0' && c <= '9';
    }
    normal += c;
  }
  if (labels < 2 || label_bytes == 0 || only_digits) return "";
  return normal;
}

std::string_view RegisteredDomain(std::string_view name) {
  const std::string_view two = LastLabels(name, 2);
  if (two.empty() || IsOneOf(two, kSharedDomains)) return "";
  return IsRegistrySuffix(two) ? LastLabels(name, 3) : two;
}

bool NamePatternCovers(std::string_view pattern, std::string_view name) {
  const bool only_below = pattern.starts_with("*.");
  if (only_below) pattern.remove_prefix(2);
  if (name == pattern) return !only_below;
  return name.size() > pattern.size() && name.ends_with(pattern) &&
         name[name.size() - pattern.size() - 1] == '.';
}

}  // namespace sallyport
