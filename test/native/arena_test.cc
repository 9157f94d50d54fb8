// The arena's layout and its blocks.
#include "base/arena.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "harness.h"

using millrace::Arena;
using millrace::ArenaLayout;
using millrace::BlockAllocator;

TEST(regions_do_not_overlap) {
  Arena arena;
  REQUIRE(arena.Open());
  const ArenaLayout& layout = arena.layout();
  std::vector<std::pair<size_t, size_t>> regions = {
      {layout.now, 8},
      {layout.wall_clock, 8},
      {layout.events, layout.event_capacity * 8},
      {layout.due, layout.due_capacity * 4},
      {layout.table, layout.table_capacity * 4},
      {layout.window, layout.window_size},
      {layout.scratch, layout.scratch_size},
      {layout.deadlines, layout.timer_capacity * 8},
      {layout.scheduled, layout.timer_capacity * 8},
      {layout.blocks, layout.size - layout.blocks},
  };
  std::sort(regions.begin(), regions.end());
  for (size_t i = 1; i < regions.size(); ++i) {
    EXPECT(regions[i - 1].first + regions[i - 1].second <= regions[i].first);
    EXPECT_EQ(regions[i].first % 8, 0);
  }
  EXPECT_EQ(layout.window_size, 256 << 10);
  arena.base()[layout.size - 1] = 1;
}

TEST(contains_checks_both_ends) {
  Arena arena;
  REQUIRE(arena.Open(size_t{64} << 20));
  const auto size = static_cast<int32_t>(arena.layout().size);
  EXPECT(arena.Contains(0, size));
  EXPECT(arena.Contains(size, 0));
  EXPECT(!arena.Contains(1, size));
  EXPECT(!arena.Contains(-1, 1));
  EXPECT(!arena.Contains(0, -1));
  EXPECT(!arena.Contains(INT32_MAX, INT32_MAX));
}

TEST(blocks_are_rounded_up_to_powers_of_two) {
  Arena arena;
  REQUIRE(arena.Open(size_t{64} << 20));
  BlockAllocator& blocks = arena.blocks();
  const int64_t small = blocks.Acquire(1);
  EXPECT_EQ(blocks.block_bytes(), 4096);
  const int64_t middle = blocks.Acquire(4097);
  EXPECT_EQ(blocks.block_bytes(), 4096 + 8192);
  EXPECT_EQ(middle % 8192, 0);
  const int64_t large = blocks.Acquire(1 << 20);
  EXPECT_EQ(large % (1 << 20), 0);
  EXPECT_EQ(blocks.blocks(), 3);
  EXPECT_EQ(blocks.Acquire((1 << 20) + 1), -EINVAL);
  EXPECT_EQ(blocks.Acquire(0), -EINVAL);
  EXPECT_EQ(blocks.Release(static_cast<size_t>(small), 1), 0);
  EXPECT_EQ(blocks.Release(static_cast<size_t>(middle), 8192), 0);
  EXPECT_EQ(blocks.Release(static_cast<size_t>(large), 1 << 20), 0);
  EXPECT_EQ(blocks.blocks(), 0);
  EXPECT_EQ(blocks.block_bytes(), 0);
}

TEST(a_wrong_release_is_refused) {
  Arena arena;
  REQUIRE(arena.Open(size_t{64} << 20));
  BlockAllocator& blocks = arena.blocks();
  const auto block = static_cast<size_t>(blocks.Acquire(16384));
  EXPECT_EQ(blocks.Release(block, 4096), -EINVAL);
  EXPECT_EQ(blocks.Release(block + 4096, 16384), -EINVAL);
  EXPECT_EQ(blocks.Release(0, 16384), -EINVAL);
  EXPECT_EQ(blocks.Release(arena.layout().size, 16384), -EINVAL);
  EXPECT_EQ(blocks.Release(block, 0), -EINVAL);
  EXPECT_EQ(blocks.Release(block, 16384), 0);
  EXPECT_EQ(blocks.Release(block, 16384), -EINVAL);
}

TEST(exhaustion_ends_when_blocks_come_back) {
  Arena arena;
  REQUIRE(arena.Open(size_t{32} << 20));
  BlockAllocator& blocks = arena.blocks();
  std::vector<size_t> taken;
  for (;;) {
    const int64_t block = blocks.Acquire(1 << 20);
    if (block < 0) {
      EXPECT_EQ(block, -ENOMEM);
      break;
    }
    taken.push_back(static_cast<size_t>(block));
  }
  EXPECT_EQ(taken.size(), (arena.layout().size - arena.layout().blocks) >> 20);
  EXPECT_EQ(blocks.Acquire(4096), -ENOMEM);
  EXPECT_EQ(blocks.Release(taken.back(), 1 << 20), 0);
  taken.pop_back();
  // The chunk serves another class now.
  for (int i = 0; i < 256; ++i) EXPECT(blocks.Acquire(4096) > 0);
  EXPECT_EQ(blocks.Acquire(4096), -ENOMEM);
}

TEST(many_free_chunks_give_their_pages_back) {
  Arena arena;
  REQUIRE(arena.Open(size_t{64} << 20));
  BlockAllocator& blocks = arena.blocks();
  std::vector<size_t> taken;
  for (int i = 0; i < 16; ++i) {
    taken.push_back(static_cast<size_t>(blocks.Acquire(1 << 20)));
    std::memset(arena.base() + taken.back(), 0xaa, 1 << 20);
  }
  for (const size_t block : taken) blocks.Release(block, 1 << 20);
#ifdef __linux__
  // The first few stay warm, the others read as zero again.
  unsigned cold = 0;
  for (const size_t block : taken) cold += arena.base()[block] == 0 ? 1 : 0;
  EXPECT_EQ(cold, 16 - BlockAllocator::kWarmChunks);
#endif
}

TEST(random_use_never_hands_out_a_block_twice) {
  Arena arena;
  REQUIRE(arena.Open(size_t{64} << 20));
  BlockAllocator& blocks = arena.blocks();
  millrace::test::Random random(1);
  std::map<size_t, size_t> live;  // offset -> size asked for
  for (int step = 0; step < 200000; ++step) {
    if (live.empty() || random() % 100 < (step / 20000 % 2 == 0 ? 60u : 40u)) {
      const size_t size = 1 + random() % (size_t{1} << (12 + random() % 9));
      const int64_t result = blocks.Acquire(size);
      if (result < 0) {
        EXPECT_EQ(result, -ENOMEM);
        continue;
      }
      const auto offset = static_cast<size_t>(result);
      EXPECT(offset >= arena.layout().blocks && offset + size <= arena.layout().size);
      const auto after = live.lower_bound(offset);
      EXPECT(after == live.end() || offset + size <= after->first);
      EXPECT(after == live.begin() || std::prev(after)->first + std::prev(after)->second <= offset);
      live[offset] = size;
    } else {
      auto victim = live.lower_bound(random() % arena.layout().size);
      if (victim == live.end()) victim = live.begin();
      EXPECT_EQ(blocks.Release(victim->first, victim->second), 0);
      live.erase(victim);
    }
    EXPECT_EQ(blocks.blocks(), live.size());
  }
}
