// The generational slab.
#include "base/slab.h"

#include <set>

#include "harness.h"

using millrace::Handle;
using millrace::Slab;
using millrace::SlotOf;

TEST(handles_are_positive_and_find_their_value) {
  Slab<int> slab;
  REQUIRE(slab.Reserve());
  const Handle handle = slab.Add();
  EXPECT(handle > 0);
  *slab.Find(handle) = 7;
  EXPECT_EQ(*slab.Find(handle), 7);
  EXPECT_EQ(slab.size(), 1);
  EXPECT(slab.Find(0) == nullptr);
  EXPECT(slab.Find(-1) == nullptr);
  EXPECT(slab.Find(handle + 1) == nullptr);
}

TEST(a_removed_slot_rests_until_recycled) {
  Slab<int> slab;
  REQUIRE(slab.Reserve());
  const Handle first = slab.Add();
  slab.Remove(first);
  EXPECT(slab.Find(first) == nullptr);
  EXPECT(slab.AtSlot(SlotOf(first)) == nullptr);
  const Handle second = slab.Add();
  EXPECT(SlotOf(second) != SlotOf(first));
  slab.Recycle();
  const Handle third = slab.Add();
  EXPECT_EQ(SlotOf(third), SlotOf(first));
  EXPECT(third != first);
  EXPECT(slab.Find(first) == nullptr);
  EXPECT(slab.Find(third) != nullptr);
}

TEST(slots_come_round_in_the_order_in_which_they_were_freed) {
  Slab<int> slab;
  REQUIRE(slab.Reserve());
  Handle handles[4];
  for (Handle& handle : handles) handle = slab.Add();
  slab.Remove(handles[2]);
  slab.Recycle();
  slab.Remove(handles[0]);
  slab.Recycle();
  EXPECT_EQ(SlotOf(slab.Add()), SlotOf(handles[2]));
  EXPECT_EQ(SlotOf(slab.Add()), SlotOf(handles[0]));
  EXPECT_EQ(SlotOf(slab.Add()), 4);
}

TEST(generations_wrap_without_zero) {
  Slab<int> slab;
  REQUIRE(slab.Reserve());
  std::set<Handle> seen;
  for (unsigned i = 0; i < millrace::kMaxGeneration; ++i) {
    const Handle handle = slab.Add();
    EXPECT(handle >= 1 << millrace::kSlotBits);
    EXPECT(seen.insert(handle).second);
    slab.Remove(handle);
    slab.Recycle();
  }
  EXPECT(!seen.insert(slab.Add()).second);
}

TEST(a_full_table_says_so) {
  Slab<char> slab;
  REQUIRE(slab.Reserve());
  for (unsigned i = 0; i < millrace::kMaxSlots; ++i) REQUIRE(slab.Add() > 0);
  EXPECT_EQ(slab.Add(), 0);
  EXPECT_EQ(slab.size(), millrace::kMaxSlots);
  unsigned visited = 0;
  slab.ForEach([&](Handle handle, char&) {
    visited += 1;
    slab.Remove(handle);
  });
  EXPECT_EQ(visited, millrace::kMaxSlots);
  EXPECT_EQ(slab.size(), 0);
  slab.Recycle();
  EXPECT(slab.Add() > 0);
}
