// See loop.h.
#include "loop/loop.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/check.h"
#include "base/clock.h"

namespace millrace {

int Loop::Open(Arena* arena) {
  arena_ = arena;
  const ArenaLayout& layout = arena->layout();
  events_ = arena->At<int32_t>(layout.events);
  due_ = arena->At<int32_t>(layout.due);
  event_capacity_ = std::min(static_cast<int>(layout.event_capacity), Poller::kMaxEvents);
  // A handle is on the ready list at most once, but may be there stale besides: a slot
  // that is closed and taken again within one turn is excluded by the slab, so twice
  // the number of slots is plenty.
  if (!descriptors_.Reserve() || !ready_.Reserve(size_t{2} * kMaxSlots) ||
      !starved_.Reserve(kMaxSlots) ||
      !timers_.Init(arena->At<double>(layout.deadlines), arena->At<double>(layout.scheduled),
                    layout.timer_capacity)) {
    return -ENOMEM;
  }
  UpdateClock();
  return poller_.Open();
}

int Loop::StartWatching(Handle handle, Descriptor& descriptor) {
  if (descriptor.watched) return 0;
  const int status = poller_.Add(descriptor.fd, descriptor.watch, static_cast<uint32_t>(handle));
  if (status >= 0) descriptor.watched = true;
  return status;
}

void Loop::StopWatching(Descriptor& descriptor) {
  if (!descriptor.watched) return;
  poller_.Remove(descriptor.fd, descriptor.watch);
  descriptor.watched = false;
}

int Loop::Add(int fd, Watch watch) {
  const Handle handle = descriptors_.Add();
  if (handle == 0) {
    ::close(fd);
    return -ENFILE;
  }
  Descriptor& descriptor = *descriptors_.Find(handle);
  descriptor = Descriptor{};
  descriptor.fd = fd;
  descriptor.watch = watch;
  descriptor.enabled = true;
  // Listeners are handed to other processes as a rule.
  descriptor.shared = watch == Watch::kListener || watch == Watch::kSharedListener;
  const int status = StartWatching(handle, descriptor);
  if (status < 0) {
    Close(handle);
    return status;
  }
  return handle;
}

int Loop::Close(Handle handle) {
  Descriptor* descriptor = Find(handle);
  if (descriptor == nullptr) return -EBADF;
  if (descriptor->event_index > 0) {
    const int index = descriptor->event_index - 1;
    MILLRACE_CHECK(index < event_count_ &&
                   events_[index * 2] == static_cast<int32_t>(SlotOf(handle)));
    events_[index * 2 + 1] = 0;
    descriptor->event_index = 0;
  }
  // close(2) alone ends the watch only of a description that nobody else holds.
  if (descriptor->shared) StopWatching(*descriptor);
  ::close(descriptor->fd);
  descriptor->fd = -1;
  descriptors_.Remove(handle);
  if (starved_count_ > 0) starved_until_ms_ = 0;
  return 0;
}

void Loop::CloseAll() {
  descriptors_.ForEach([this](Handle handle, Descriptor&) { Close(handle); });
}

int Loop::MarkReady(Handle handle, uint32_t flags) {
  Descriptor* descriptor = Find(handle);
  if (descriptor == nullptr) return -EBADF;
  if (flags == 0) return 0;
  if (descriptor->ready_flags == 0) {
    MILLRACE_CHECK(ready_count_ < ready_.capacity());
    ready_[(ready_head_ + ready_count_) % ready_.capacity()] = handle;
    ready_count_ += 1;
  }
  descriptor->ready_flags |= static_cast<uint8_t>(flags);
  return 0;
}

int Loop::EnableListener(Handle handle, bool enabled) {
  Descriptor* descriptor = Find(handle);
  if (descriptor == nullptr) return -EBADF;
  descriptor->enabled = enabled;
  if (descriptor->starved) return 0;  // ResumeStarved looks at `enabled`
  if (enabled) return StartWatching(handle, *descriptor);
  StopWatching(*descriptor);
  return 0;
}

void Loop::StarveListener(Handle handle) {
  Descriptor* descriptor = Find(handle);
  if (descriptor == nullptr || descriptor->starved) return;
  if (starved_count_ == starved_.capacity()) return;
  StopWatching(*descriptor);
  descriptor->starved = true;
  starved_[starved_count_++] = handle;
  starved_until_ms_ = MonotonicMs() + kStarvedMs;
}

void Loop::ResumeStarved() {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < starved_count_; ++i) {
    const Handle handle = starved_[i];
    Descriptor* descriptor = Find(handle);
    if (descriptor == nullptr) continue;
    if (descriptor->enabled && StartWatching(handle, *descriptor) < 0) {
      starved_[kept++] = handle;  // no memory for the watch itself: later
    } else {
      descriptor->starved = false;
    }
  }
  starved_count_ = kept;
  if (kept > 0) starved_until_ms_ = MonotonicMs() + kStarvedMs;
}

int Loop::WatchForeign(int fd) { return poller_.Add(fd, Watch::kForeign, kForeignToken); }

double Loop::NextTimeoutMs() const {
  if (awake_ || ready_count_ > 0) return 0;
  double at = timers_.next();
  if (starved_count_ > 0) at = std::min(at, starved_until_ms_);
  if (at == std::numeric_limits<double>::infinity()) return -1;
  return std::max(0.0, at - MonotonicMs());
}

void Loop::Report(Handle handle, Descriptor& descriptor, uint32_t flags) {
  if (descriptor.event_index > 0) {
    events_[(descriptor.event_index - 1) * 2 + 1] |= static_cast<int32_t>(flags);
    return;
  }
  const int index = event_count_++;
  events_[index * 2] = static_cast<int32_t>(SlotOf(handle));
  events_[index * 2 + 1] = static_cast<int32_t>(flags);
  descriptor.event_index = index + 1;
}

void Loop::ReportNow(Handle handle, uint32_t flags) {
  Descriptor* descriptor = Find(handle);
  if (descriptor == nullptr) return;
  if (descriptor->event_index > 0 || event_count_ < event_capacity_) {
    Report(handle, *descriptor, flags);
  } else {
    MarkReady(handle, flags);
  }
}

// Moves the ready list into the events, as far as there is room.
void Loop::CollectReady() {
  while (ready_count_ > 0 && event_count_ < event_capacity_) {
    const Handle handle = ready_[ready_head_];
    ready_head_ = (ready_head_ + 1) % static_cast<uint32_t>(ready_.capacity());
    ready_count_ -= 1;
    Descriptor* descriptor = Find(handle);
    if (descriptor == nullptr) continue;
    const uint32_t flags = descriptor->ready_flags;
    descriptor->ready_flags = 0;
    Report(handle, *descriptor, flags);
  }
}

int Loop::Poll(double limit_ms) {
  EndTurn();
  double timeout_ms = NextTimeoutMs();
  if (limit_ms >= 0 && (timeout_ms < 0 || timeout_ms > limit_ms)) timeout_ms = limit_ms;
  awake_ = false;
  // Half of the room is the poller's in any case, so neither source starves the other.
  const int reserved =
      static_cast<int>(std::min(ready_count_, static_cast<uint32_t>(event_capacity_) / 2));
  const int count = poller_.Wait(poll_events_, event_capacity_ - reserved, timeout_ms);
  polls_ += 1;
  foreign_ready_ = false;
  const double now = UpdateClock();
  if (count < 0) return count;
  for (int i = 0; i < count; ++i) {
    const PollEvent& event = poll_events_[i];
    if (event.token == kForeignToken) {
      foreign_ready_ = true;
      continue;
    }
    const auto handle = static_cast<Handle>(event.token);
    Descriptor* descriptor = Find(handle);
    if (descriptor == nullptr) continue;  // stale: closed since the poller saw it
    Report(handle, *descriptor, event.flags);
  }
  CollectReady();
  if (starved_count_ > 0 && now >= starved_until_ms_) ResumeStarved();
  due_count_ = timers_.CollectDue(now, due_, arena_->layout().due_capacity);
  return 0;
}

void Loop::EndTurn() {
  for (int i = 0; i < event_count_; ++i) {
    // Void pairs belong to closed slots, whose index was cleared.
    if (Descriptor* descriptor = descriptors_.AtSlot(static_cast<uint32_t>(events_[i * 2]))) {
      descriptor->event_index = 0;
    }
  }
  event_count_ = 0;
  due_count_ = 0;
  descriptors_.Recycle();
  timers_.Recycle();
}

double Loop::UpdateClock() {
  const double now = MonotonicMs();
  *arena_->At<double>(arena_->layout().now) = now;
  *arena_->At<double>(arena_->layout().wall_clock) = WallClockMs();
  return now;
}

}  // namespace millrace
