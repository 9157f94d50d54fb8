// See relay.h.
#include "relay/relay.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "net/socket.h"

namespace millrace {
namespace {

constexpr uint32_t kReadFlags = kRead | kEof | kError;
constexpr double kNever = std::numeric_limits<double>::infinity();

// Pairs of the arena's events.
struct Event {
  int32_t slot, flags;
};

}  // namespace

Relays::~Relays() { EndAll(); }

void Relays::EndAll() {
  relays_.ForEach([this](Handle handle, Relay&) { End(handle); });
}

bool Relays::Open(Loop* loop) {
  loop_ = loop;
  return relays_.Reserve() && by_source_.Reserve(kMaxSlots) && by_target_.Reserve(kMaxSlots);
}

int Relays::Start(const RelaySide& source, const RelaySide& target, int64_t length,
                  bool source_writes) {
  Descriptor* from = loop_->Find(source.handle);
  if (from == nullptr || loop_->Find(target.handle) == nullptr) return -EBADF;
  Handle& out = by_source_[SlotOf(source.handle)];
  Handle& in = by_target_[SlotOf(target.handle)];
  if (out != 0 || in != 0) return -EBUSY;
  relays_.Recycle();
  const Handle handle = relays_.Add();
  if (handle == 0) return -ENFILE;
  Relay& relay = *relays_.Find(handle);
  relay = Relay{};
  relay.source = source;
  relay.target = target;
  relay.remaining = length;
  relay.block = -1;
  relay.copying = !Pipes::kSupported;
  from->awaits_write = source_writes;
  out = in = handle;
  running_ += 1;
  return handle;
}

void Relays::End(Handle handle) {
  Relay* relay = relays_.Find(handle);
  if (relay == nullptr) return;
  if (relay->state == RelayState::kRunning) Finish(*relay, RelayState::kTargetFailed, ECANCELED);
  relays_.Remove(handle);
}

void Relays::OnClose(Handle stream) {
  if (running_ == 0 || loop_->Find(stream) == nullptr) return;
  const uint32_t slot = SlotOf(stream);
  if (Relay* relay = Lookup(by_source_[slot])) Finish(*relay, RelayState::kSourceFailed, ECANCELED);
  if (Relay* relay = Lookup(by_target_[slot])) Finish(*relay, RelayState::kTargetFailed, ECANCELED);
}

int Relays::Serve() {
  if (running_ == 0) return loop_->event_count();
  const ArenaLayout& layout = loop_->arena().layout();
  Event* events = loop_->arena().At<Event>(layout.events);
  // What Stop reports is appended, or added to a pair, and is the owner's.
  const int count = loop_->event_count();
  for (int i = 0; i < count; ++i) {
    auto flags = static_cast<uint32_t>(events[i].flags);
    const auto slot = static_cast<uint32_t>(events[i].slot);
    Relay* out = Lookup(by_source_[slot]);
    Relay* in = Lookup(by_target_[slot]);
    if (out == nullptr && in == nullptr) continue;
    const bool read = (flags & kReadFlags) != 0;
    const bool write = (flags & kWrite) != 0;
    if (out != nullptr) {
      if ((flags & (kEof | kError)) != 0) out->ending = true;
      flags &= ~kReadFlags;
      // Where writability comes unasked it must not wake the owner.
      Descriptor& descriptor = *loop_->Find(out->source.handle);
      if (!descriptor.awaits_write) flags &= ~kWrite;
      if (write) descriptor.awaits_write = false;
    }
    if (in != nullptr) flags &= ~kWrite;
    events[i].flags = static_cast<int32_t>(flags);
    // One that waits for its target reads to the end of what is there when that has room.
    if (out != nullptr && read && !out->waits_for_target) Pump(*out);
    if (in != nullptr && write && in->state == RelayState::kRunning) Pump(*in);
  }
  int left = 0;
  for (int i = 0; i < loop_->event_count(); ++i) left += events[i].flags != 0 ? 1 : 0;
  return left;
}

// Moves what can be moved now, and says how it goes on: by events, by the ready list, or
// not at all.
void Relays::Pump(Relay& relay) {
  const int64_t received = relay.received, sent = relay.sent;
  if (!Move(relay)) return;
  if (relay.held == 0) DropHeld(relay);
  Watch(relay, received, sent);
}

// False: the relay is over.
bool Relays::Move(Relay& relay) {
  auto budget = static_cast<int64_t>(kBudgetBytes);
  bool drained = false;
  for (;;) {
    if (relay.held > 0) {
      const int status = Flush(relay);
      if (status < 0) return Stop(relay, RelayState::kTargetFailed, -status);
      relay.waits_for_target = relay.held > 0;
      if (relay.waits_for_target) return true;
    }
    if (relay.remaining == 0) {
      const bool more = HasInput(*loop_, relay.source.handle);
      return Stop(relay, more ? RelayState::kDoneMore : RelayState::kDone, 0);
    }
    relay.waits_for_target = false;
    if (drained) return true;
    if (budget == 0) {
      loop_->MarkReady(relay.source.handle, kRead);
      return true;
    }
    const int count =
        Receive(relay, static_cast<size_t>(std::min(budget, relay.remaining)), &drained);
    if (count == -EAGAIN) return true;
    if (count == 0) return Stop(relay, RelayState::kSourceEnded, 0);
    if (count < 0) return Stop(relay, RelayState::kSourceFailed, -count);
    budget = relay.pipe.open ? budget - count : 0;
    relay.small = count < kSpliceFromBytes;
    relay.received += count;
    relay.held = count;
    if (relay.remaining != kUntilEnd) relay.remaining -= count;
    if (!relay.pipe.open) {
      const int status = SendWindow(relay);
      if (status < 0) return Stop(relay, RelayState::kTargetFailed, -status);
    }
  }
}

// Reads into a pipe, or else into the receive window. Only with nothing held. Result: as
// of recv; `drained` is set when the next call would give -EAGAIN.
int Relays::Receive(Relay& relay, size_t max, bool* drained) {
  if (TakePipe(relay)) {
    const int count = Pipes::Fill(relay.pipe, loop_->Find(relay.source.handle)->fd, max);
    if (count != -EINVAL && count != -ENOSYS) return count;
    // Not a kind of stream that splice knows (splice(2)).
    relay.copying = true;
    pipes_.Give(&relay.pipe);
  }
  const ArenaLayout& layout = loop_->arena().layout();
  const size_t size = std::min(max, layout.window_size);
  const int count =
      millrace::Receive(*loop_, relay.source.handle, loop_->arena().base() + layout.window, size);
  *drained = count > 0 && static_cast<size_t>(count) < size && !relay.ending;
  return count;
}

bool Relays::TakePipe(Relay& relay) {
  if (relay.pipe.open) return true;
  if (relay.copying || relay.small || relay.remaining < kSpliceFromBytes) return false;
  return pipes_.Take(&relay.pipe, *loop_->arena().At<double>(loop_->arena().layout().now));
}

// Sends what Receive left in the window, and keeps what the target does not take.
int Relays::SendWindow(Relay& relay) {
  uint8_t* data = loop_->arena().base() + loop_->arena().layout().window;
  const int sent = Send(*loop_, relay.target.handle, data, static_cast<size_t>(relay.held));
  if (sent < 0 && sent != -EAGAIN) return sent;
  if (sent > 0) Count(relay, sent);
  if (relay.held == 0) return 0;
  const int64_t block = loop_->arena().blocks().Acquire(static_cast<size_t>(relay.held));
  if (block < 0) return static_cast<int>(block);
  relay.block = static_cast<int32_t>(block);
  relay.block_size = relay.held;
  relay.block_at = 0;
  std::memcpy(loop_->arena().base() + block, data + std::max(sent, 0),
              static_cast<size_t>(relay.held));
  return 0;
}

// Sends what is held, as far as the target takes it. Result: 0 or -errno.
int Relays::Flush(Relay& relay) {
  Descriptor& target = *loop_->Find(relay.target.handle);
  while (relay.held > 0) {
    const auto size = static_cast<size_t>(relay.held);
    const int sent = relay.pipe.open
                         ? Pipes::Drain(relay.pipe, target.fd, size)
                         : Send(*loop_, relay.target.handle,
                                loop_->arena().base() + relay.block + relay.block_at, size);
    if (sent == -EAGAIN) {
      loop_->AwaitWritable(relay.target.handle, target);
      return 0;
    }
    if (sent < 0) return sent;
    Count(relay, sent);
  }
  return 0;
}

void Relays::Count(Relay& relay, int sent) {
  relay.sent += sent;
  relay.held -= sent;
  if (relay.block < 0) return;
  relay.block_at += sent;
  if (relay.held == 0) DropHeld(relay);
}

void Relays::DropHeld(Relay& relay) {
  if (relay.pipe.open) {
    if (relay.held > 0) {
      pipes_.Drop(&relay.pipe);
    } else {
      pipes_.Give(&relay.pipe);
    }
  }
  if (relay.block >= 0) {
    loop_->arena().blocks().Release(static_cast<size_t>(relay.block),
                                    static_cast<size_t>(relay.block_size));
    relay.block = -1;
  }
  relay.held = 0;
}

// Moves the deadlines after a Pump that began with these counts.
void Relays::Watch(Relay& relay, int64_t received, int64_t sent) {
  const double now = *loop_->arena().At<double>(loop_->arena().layout().now);
  const bool to_target = relay.waits_for_target;
  const RelaySide& slow = to_target ? relay.target : relay.source;
  const RelaySide& other = to_target ? relay.source : relay.target;
  const bool moved = to_target ? relay.sent > sent : relay.received > received;
  if (moved || to_target != relay.watches_target) SetDeadline(slow, now + slow.timeout_ms);
  if (to_target != relay.watches_target) SetDeadline(other, kNever);
  relay.watches_target = to_target;
}

void Relays::SetDeadline(const RelaySide& side, double at) {
  if (side.timer >= 0) loop_->timers().MoveTo(side.timer, at);
}

// Ends a relay that runs and reports it to the owner of its source. False.
bool Relays::Stop(Relay& relay, RelayState state, int error) {
  Finish(relay, state, error);
  SetDeadline(relay.target, kNever);
  // The owner reads on, and must not take a short read for the end of what is there.
  const uint32_t rest = relay.ending ? kRead | kEof : uint32_t{kRead};
  loop_->ReportNow(relay.source.handle,
                   state == RelayState::kDoneMore ? kRelayed | rest : kRelayed);
  return false;
}

// Ends a relay that runs: what happens to its streams is their owners' again.
void Relays::Finish(Relay& relay, RelayState state, int error) {
  DropHeld(relay);
  by_source_[SlotOf(relay.source.handle)] = 0;
  by_target_[SlotOf(relay.target.handle)] = 0;
  running_ -= 1;
  relay.state = state;
  relay.error = error;
}

}  // namespace millrace
