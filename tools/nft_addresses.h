#ifndef SALLYPORT_TOOLS_NFT_ADDRESSES_H_
#define SALLYPORT_TOOLS_NFT_ADDRESSES_H_

// Sets of addresses as nft(8) writes them. Pure.

#include <string>
#include <vector>

#include "rules/address.h"

namespace sallyport::cli {

// Both ends included.
struct AddressInterval {
  IpAddress first;
  IpAddress last;
};

struct AddressSet {
  std::vector<AddressInterval> v4;
  std::vector<AddressInterval> v6;
};

// One entry of `to` or `not_to`; `internet`, which is all but a set, is only
// told. False: nft cannot say it (a name, a country, a list).
bool AddAddressEntry(const std::string& text, AddressSet* set, bool* internet);

AddressSet NotInternet();     // what `internet` is the rest of
AddressSet LocalAddresses();  // what `local-only` lets through

// "{ a, b-c }", without the overlaps that nft refuses in one set.
std::string AddressSetText(std::vector<AddressInterval> set);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_NFT_ADDRESSES_H_
