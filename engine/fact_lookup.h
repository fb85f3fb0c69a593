#ifndef SALLYPORT_ENGINE_FACT_LOOKUP_H_
#define SALLYPORT_ENGINE_FACT_LOOKUP_H_

// The facts about owners that rules ask for and the packet path does not have
// (rules/rule_match.h, Need). Slow lane and cutter; reads files.

#include "proc/resolver.h"
#include "rules/rule_match.h"

namespace sallyport {

// Replaces owners by ones of whom more is known. What can't be found out stays
// as it was.
void LookUpFacts(Needs needs, Resolver& resolver, Ownership* ownership);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_FACT_LOOKUP_H_
