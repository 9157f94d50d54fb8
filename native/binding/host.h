// The host: one for each Node environment (the main thread, each worker). It owns the
// loop and the arena, and fits the loop into libuv's, which stays in charge of
// everything that Node does by itself.
//
// libuv runs, in each of its iterations: idle, PREPARE, poll, check (setImmediate),
// closing; timers between two. We live in the prepare hook:
//
//   prepare ──► stop our idle handle
//          ┌──► limit = uv_backend_timeout (0: libuv has work at once)
//          │    wait in our poller, which holds uv_backend_fd too, at most `limit`
//          │    anything for us? one turn of JavaScript, in a callback scope
//          └─── until libuv's descriptor is ready or its limit is 0
//          ───► start our idle handle, so that libuv's own poll does not sleep
//
// So while only our sockets are busy the thread stays inside the hook, and while only
// libuv is busy each of its iterations costs one wait of ours that does not sleep.
// The prepare handle is referenced iff JavaScript asked for it; the idle handle never
// is. So nothing of this keeps a process alive by itself, and while something else does
// our descriptors are served.
//
// Rejected: uv_run inside our turn (starves Node's timers, stalls its http); a thread
// that waits and a uv_async (two thread switches for each turn, about 10 us).
//
// End of an environment: the cleanup hook closes descriptors and libuv's handles; the
// host goes when libuv has closed them. The arena goes when host and ArrayBuffer have.
#ifndef MILLRACE_BINDING_HOST_H_
#define MILLRACE_BINDING_HOST_H_

#define NAPI_VERSION 9
#include <node_api.h>
#include <uv.h>

#include <atomic>

#include "base/arena.h"
#include "loop/loop.h"
#include "net/address.h"
#include "relay/relay.h"
#include "scan/name_table.h"

namespace millrace {

class Host {
 public:
  // Makes the environment's host and the hook for its end. nullptr when that failed.
  static Host* Create(napi_env env);

  // The host of `env`, when that is the environment that loaded the addon first; else nullptr.
  // Asking Node-API costs ten times as much. Only the thread of that environment gets past
  // the comparison, and it alone writes what it then reads.
  static Host* First(napi_env env) {
    return first_env_.load(std::memory_order_relaxed) == env ? first_ : nullptr;
  }

  // The addon's open(turn). Throws when the host is open already, or without memory.
  napi_value Open(napi_value turn);

  void Ref();
  void Unref();
  // Makes the next wait return at once and enter JavaScript.
  void Wake();
  void ReportException(napi_value error);

  bool opened() const { return opened_; }
  Loop& loop() { return loop_; }
  Relays& relays() { return relays_; }
  Arena& arena() { return *arena_; }
  uint64_t turns() const { return turns_; }
  Address& last_sender() { return last_sender_; }
  // What scanFields looks up; empty until setNames.
  NameTable& names() { return names_; }

  // Whether [offset, offset + length) lies in an open arena.
  bool Contains(int32_t offset, int32_t length) const {
    return opened_ && arena_->Contains(offset, length);
  }
  uint8_t* At(int32_t offset) const { return arena_->base() + offset; }

 private:
  struct SharedArena {
    Arena arena;
    std::atomic<int> owners{1};
    void Release();
  };

  // The results of the turn function (lib/native/binding.ts).
  static constexpr int32_t kDone = 0, kCheckpoint = 1, kAgain = 2;

  explicit Host(napi_env env) : env_(env) {}
  ~Host();

  const char* OpenLoop();
  napi_value ExportArena();
  void OnPrepare();
  void RunTurn();
  bool CallTurn(int events, int due, bool resumed, int32_t* result);
  bool Deliver();
  void Stop();
  void OnClosed();
  static void OnCleanup(napi_async_cleanup_hook_handle handle, void* data);

  static inline std::atomic<napi_env> first_env_{nullptr};
  static inline Host* first_ = nullptr;

  const napi_env env_;
  Arena* arena_ = nullptr;  // shared_->arena
  SharedArena* shared_ = nullptr;
  Loop loop_;
  Relays relays_;
  uv_loop_t* uv_ = nullptr;
  uv_prepare_t prepare_{};
  uv_idle_t idle_{};
  int open_handles_ = 0;  // of libuv
  napi_ref turn_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  Address last_sender_{};
  NameTable names_;
  uint64_t turns_ = 0;
  bool opened_ = false;
  bool wanted_ = false;   // enter JavaScript even without events
  bool stopped_ = false;  // JavaScript must not be entered any more
};

}  // namespace millrace

#endif  // MILLRACE_BINDING_HOST_H_
