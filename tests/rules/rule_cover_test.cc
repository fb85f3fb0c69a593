#include "rules/rule_cover.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace sallyport {
namespace {

using Cells = std::vector<CoverCell>;

// The cells of all boxes; a box with an empty list fails.
std::set<CoverCell> Held(const Cover& cover) {
  std::set<CoverCell> held;
  for (const CoverBox& box : cover.boxes) {
    EXPECT_FALSE(box.destinations.empty() || box.ports.empty() ||
                 box.protocols.empty());
    for (const uint32_t d : box.destinations) {
      for (const uint32_t p : box.ports) {
        for (const uint32_t q : box.protocols) held.insert({d, p, q});
      }
    }
  }
  return held;
}

Cover CoverAll(const Cells& cells) {
  CoverBudget budget;
  return CoverCells(cells, &budget);
}

// Every subset of the cells that is a box, then the fewest by trying: shares
// nothing with the code.
size_t FewestByForce(const Cells& cells, uint32_t d_count, uint32_t p_count,
                     uint32_t q_count) {
  const auto index = [&](uint32_t d, uint32_t p, uint32_t q) {
    return (d * p_count + p) * q_count + q;
  };
  uint32_t all = 0;
  for (const CoverCell& c : cells) {
    all |= 1u << index(c.destination, c.port, c.protocol);
  }
  std::vector<uint32_t> boxes;
  for (uint32_t ds = 1; ds < 1u << d_count; ++ds) {
    for (uint32_t ps = 1; ps < 1u << p_count; ++ps) {
      for (uint32_t qs = 1; qs < 1u << q_count; ++qs) {
        uint32_t box = 0;
        for (uint32_t d = 0; d < d_count; ++d) {
          for (uint32_t p = 0; p < p_count; ++p) {
            for (uint32_t q = 0; q < q_count; ++q) {
              if ((ds >> d & 1) && (ps >> p & 1) && (qs >> q & 1)) {
                box |= 1u << index(d, p, q);
              }
            }
          }
        }
        if ((box & ~all) == 0) boxes.push_back(box);
      }
    }
  }
  std::set<uint32_t> reached = {0};
  for (size_t count = 0;; ++count) {
    if (reached.contains(all)) return count;
    std::set<uint32_t> next;
    for (const uint32_t held : reached) {
      for (const uint32_t box : boxes) next.insert(held | box);
    }
    reached = std::move(next);
  }
}

TEST(RuleCover, NothingNeedsNoBox) {
  EXPECT_TRUE(CoverAll({}).boxes.empty());
  EXPECT_TRUE(CoverAll({}).is_fewest);
}

TEST(RuleCover, WhatIsAlikeIsOneBox) {
  Cells cells;
  for (uint32_t d = 0; d < 300; ++d) {
    for (const uint32_t p : {80u, 443u, 8080u}) {
      for (const uint32_t q : {6u, 17u}) cells.push_back({d, p, q});
    }
  }
  const Cover cover = CoverAll(cells);
  ASSERT_EQ(cover.boxes.size(), 1u);
  EXPECT_TRUE(cover.is_fewest);
  EXPECT_EQ(cover.boxes[0].destinations.size(), 300u);
  EXPECT_EQ(cover.boxes[0].ports, (std::vector<uint32_t>{80, 443, 8080}));
  EXPECT_EQ(cover.boxes[0].protocols, (std::vector<uint32_t>{6, 17}));
}

TEST(RuleCover, SmallRelationsAreCoveredByTheFewest) {
  std::mt19937 random(7);
  for (int round = 0; round < 1500; ++round) {
    const uint32_t d_count = 1 + random() % 4;
    const uint32_t p_count = 1 + random() % 3;
    const uint32_t q_count = d_count * p_count > 6 ? 1 : 1 + random() % 2;
    const uint32_t density = 2 + random() % 6;
    Cells cells;
    for (uint32_t d = 0; d < d_count; ++d) {
      for (uint32_t p = 0; p < p_count; ++p) {
        for (uint32_t q = 0; q < q_count; ++q) {
          if (random() % 8 < density) cells.push_back({d, p, q});
        }
      }
    }
    const Cover cover = CoverAll(cells);
    ASSERT_TRUE(cover.is_fewest);
    ASSERT_EQ(Held(cover), std::set<CoverCell>(cells.begin(), cells.end()));
    ASSERT_EQ(cover.boxes.size(),
              FewestByForce(cells, d_count, p_count, q_count))
        << "round " << round;
  }
}

Cells RandomCells(std::mt19937* random, uint32_t most) {
  const auto below = [random](uint32_t n) {
    return static_cast<uint32_t>((*random)() % n);
  };
  const uint32_t d_count = 1 + below(60);
  const uint32_t p_count = 1 + below(100);
  const uint32_t q_count = 1 + below(6);
  Cells cells;
  for (uint32_t n = below(most); n > 0; --n) {
    cells.push_back({below(d_count), below(p_count), below(q_count)});
  }
  return cells;
}

TEST(RuleCover, HoldsAllAndNothingElseInAnyOrderWithAnyBudget) {
  std::mt19937 random(8);
  for (int round = 0; round < 300; ++round) {
    Cells cells = RandomCells(&random, 400);
    const std::set<CoverCell> wanted(cells.begin(), cells.end());
    for (const size_t steps : {0u, 10u, 1000u, 100'000u, 2'000'000u}) {
      CoverBudget budget{steps};
      const Cover cover = CoverCells(cells, &budget);
      ASSERT_EQ(Held(cover), wanted);
      std::shuffle(cells.begin(), cells.end(), random);
      CoverBudget again{steps};
      ASSERT_EQ(CoverCells(cells, &again).boxes, cover.boxes);
    }
  }
}

// What a program could do to make the search long: it ends.
TEST(RuleCover, TheSearchIsBounded) {
  Cells cells;
  std::mt19937 random(9);
  for (uint32_t d = 0; d < 60; ++d) {
    for (uint32_t p = 0; p < 60; ++p) {
      if (random() % 2 == 0) cells.push_back({d, p, 6});
    }
  }
  CoverBudget budget;
  const Cover cover = CoverCells(cells, &budget);
  EXPECT_FALSE(cover.is_fewest);
  EXPECT_EQ(Held(cover), std::set<CoverCell>(cells.begin(), cells.end()));
  EXPECT_LE(cover.boxes.size(), 60u);
}

}  // namespace
}  // namespace sallyport
