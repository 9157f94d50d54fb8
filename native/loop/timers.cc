// See timers.h.
#include "loop/timers.h"

#include <algorithm>
#include <cerrno>
#include <limits>

namespace millrace {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr uint32_t kArity = 4;

}  // namespace

bool Timers::Init(double* deadlines, double* scheduled, size_t capacity) {
  deadlines_ = deadlines;
  scheduled_ = scheduled;
  return heap_.Reserve(capacity) && position_.Reserve(capacity) && free_.Reserve(capacity);
}

bool Timers::Before(const Node& a, const Node& b) {
  if (a.at != b.at) return a.at < b.at;
  return static_cast<int32_t>(a.sequence - b.sequence) < 0;
}

bool Timers::Lives(int32_t id) const {
  return id >= 0 && static_cast<uint32_t>(id) < used_ &&
         position_[static_cast<uint32_t>(id)] != kFree;
}

int Timers::Add() {
  uint32_t id;
  if (free_count_ > 0) {
    id = free_[--free_count_];
    // Retired ids lie behind the free ones: close the gap.
    if (retired_count_ > 0) free_[free_count_] = free_[free_count_ + retired_count_];
  } else {
    if (used_ == position_.capacity()) return -ENOMEM;
    id = used_++;
  }
  position_[id] = kIdle;
  deadlines_[id] = kNever;
  scheduled_[id] = kNever;
  size_ += 1;
  return static_cast<int>(id);
}

void Timers::Place(uint32_t index, const Node& node) {
  heap_[index] = node;
  position_[node.id] = index + 1;
}

void Timers::SiftUp(uint32_t index, Node node) {
  while (index > 0) {
    const uint32_t parent = (index - 1) / kArity;
    if (!Before(node, heap_[parent])) break;
    Place(index, heap_[parent]);
    index = parent;
  }
  Place(index, node);
}

void Timers::SiftDown(uint32_t index, Node node) {
  for (;;) {
    const uint32_t first = index * kArity + 1;
    if (first >= heap_size_) break;
    const uint32_t last = std::min(first + kArity, heap_size_);
    uint32_t least = first;
    for (uint32_t child = first + 1; child < last; ++child) {
      if (Before(heap_[child], heap_[least])) least = child;
    }
    if (!Before(heap_[least], node)) break;
    Place(index, heap_[least]);
    index = least;
  }
  Place(index, node);
}

// Takes the node at `index` out of the heap.
void Timers::Take(uint32_t index) {
  const uint32_t id = heap_[index].id;
  position_[id] = kIdle;
  scheduled_[id] = kNever;
  const Node last = heap_[--heap_size_];
  if (index == heap_size_) return;
  if (index > 0 && Before(last, heap_[(index - 1) / kArity])) {
    SiftUp(index, last);
  } else {
    SiftDown(index, last);
  }
}

int Timers::Arm(int32_t id) {
  if (!Lives(id)) return -EINVAL;
  const auto key = static_cast<uint32_t>(id);
  if (position_[key] != kIdle) Take(position_[key] - 1);
  const double at = deadlines_[key];
  if (!(at < kNever)) return 0;
  scheduled_[key] = at;
  SiftUp(heap_size_++, Node{at, sequence_++, key});
  return 0;
}

int Timers::Remove(int32_t id) {
  if (!Lives(id)) return -EINVAL;
  const auto key = static_cast<uint32_t>(id);
  if (position_[key] != kIdle) Take(position_[key] - 1);
  deadlines_[key] = kNever;
  position_[key] = kFree;
  free_[free_count_ + retired_count_] = key;
  retired_count_ += 1;
  size_ -= 1;
  return 0;
}

int Timers::CollectDue(double now, int32_t* due, size_t capacity) {
  size_t count = 0;
  while (heap_size_ > 0 && heap_[0].at <= now) {
    Node top = heap_[0];
    const double wanted = deadlines_[top.id];
    if (!(wanted < kNever)) {
      Take(0);
    } else if (wanted > top.at) {
      // Moved later. If it is due all the same it comes round in its right order.
      top.at = wanted;
      scheduled_[top.id] = wanted;
      SiftDown(0, top);
    } else {
      if (count == capacity) break;
      Take(0);
      due[count++] = static_cast<int32_t>(top.id);
    }
  }
  return static_cast<int>(count);
}

double Timers::next() const { return heap_size_ == 0 ? kNever : heap_[0].at; }

void Timers::Recycle() {
  free_count_ += retired_count_;
  retired_count_ = 0;
}

}  // namespace millrace
