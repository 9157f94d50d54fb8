// See host.h.
#include "binding/host.h"

#include <cstdint>
#include <limits>
#include <new>

#include "base/check.h"
#include "binding/call.h"

namespace millrace {

void Host::SharedArena::Release() {
  if (owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

Host* Host::Create(napi_env env) {
  Host* host = new (std::nothrow) Host(env);
  if (host == nullptr) return nullptr;
  if (napi_add_async_cleanup_hook(env, OnCleanup, host, &host->cleanup_) != napi_ok) {
    delete host;
    return nullptr;
  }
  napi_env nobody = nullptr;
  if (first_env_.compare_exchange_strong(nobody, env, std::memory_order_acq_rel)) first_ = host;
  return host;
}

Host::~Host() {
  if (shared_ != nullptr) shared_->Release();
}

// Result: nullptr, or what failed.
const char* Host::OpenLoop() {
  shared_ = new (std::nothrow) SharedArena;
  if (shared_ == nullptr || !shared_->arena.Open()) return "cannot reserve the arena's memory";
  arena_ = &shared_->arena;
  if (loop_.Open(arena_) < 0) return "cannot open the poller";
  if (!relays_.Open(&loop_)) return "cannot reserve the relays' memory";
  if (napi_get_uv_event_loop(env_, &uv_) != napi_ok) return "this environment has no event loop";
  if (loop_.WatchForeign(uv_backend_fd(uv_)) < 0) return "cannot watch libuv's descriptor";
  return nullptr;
}

napi_value Host::Open(napi_value turn) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env_, turn, &type);
  if (type != napi_function) return ThrowTypeError(env_, "open expects the turn function");
  if (shared_ != nullptr || stopped_) return ThrowError(env_, "the host is open already");
  if (const char* failure = OpenLoop()) return ThrowError(env_, failure);
  napi_value name;
  if (napi_create_string_utf8(env_, "millrace:turn", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env_, nullptr, name, &context_) != napi_ok ||
      napi_create_reference(env_, turn, 1, &turn_) != napi_ok) {
    return ThrowError(env_, "cannot set up the turn function");
  }
  prepare_.data = idle_.data = this;
  uv_prepare_init(uv_, &prepare_);
  uv_idle_init(uv_, &idle_);
  open_handles_ = 2;
  uv_unref(reinterpret_cast<uv_handle_t*>(&prepare_));
  uv_unref(reinterpret_cast<uv_handle_t*>(&idle_));
  uv_prepare_start(&prepare_,
                   [](uv_prepare_t* handle) { static_cast<Host*>(handle->data)->OnPrepare(); });
  opened_ = true;
  return ExportArena();
}

napi_value Host::ExportArena() {
  const ArenaLayout& layout = arena_->layout();
  napi_value buffer;
  // V8 counts the whole address space as external memory. Measured: one or two more full
  // collections at the start and none later, so the count is left as it is. Taking it off
  // with napi_adjust_external_memory changes nothing on Node 20 and aborts Node 24 at its
  // end, when V8 takes it off once more.
  shared_->owners.fetch_add(1, std::memory_order_relaxed);
  const napi_status status = napi_create_external_arraybuffer(
      env_, arena_->base(), layout.size,
      [](napi_env, void*, void* hint) { static_cast<SharedArena*>(hint)->Release(); }, shared_,
      &buffer);
  if (status != napi_ok) {
    shared_->owners.fetch_sub(1, std::memory_order_relaxed);
    return ThrowError(env_, "this JavaScript engine does not allow external memory");
  }
  const struct {
    const char* name;
    size_t value;
  } fields[] = {
      {"size", layout.size},
      {"now", layout.now},
      {"wallClock", layout.wall_clock},
      {"events", layout.events},
      {"eventCapacity", layout.event_capacity},
      {"due", layout.due},
      {"dueCapacity", layout.due_capacity},
      {"deadlines", layout.deadlines},
      {"scheduled", layout.scheduled},
      {"timerCapacity", layout.timer_capacity},
      {"table", layout.table},
      {"tableCapacity", layout.table_capacity},
      {"recordCapacity", layout.record_capacity},
      {"registers", layout.registers},
      {"window", layout.window},
      {"windowSize", layout.window_size},
      {"scratch", layout.scratch},
      {"scratchSize", layout.scratch_size},
  };
  napi_value result, object;
  napi_create_object(env_, &object);
  for (const auto& field : fields) SetNumber(env_, object, field.name, field.value);
  napi_create_object(env_, &result);
  napi_set_named_property(env_, result, "buffer", buffer);
  napi_set_named_property(env_, result, "layout", object);
  return result;
}

void Host::Ref() {
  if (opened_ && !stopped_) uv_ref(reinterpret_cast<uv_handle_t*>(&prepare_));
}

void Host::Unref() {
  if (opened_ && !stopped_) uv_unref(reinterpret_cast<uv_handle_t*>(&prepare_));
}

void Host::Wake() {
  wanted_ = true;
  loop_.Wake();
}

void Host::ReportException(napi_value error) {
  // Without an uncaughtException handler this ends the process or starts the end of the
  // worker, which the next entry into JavaScript finds out.
  napi_fatal_exception(env_, error);
}

void Host::OnPrepare() {
  uv_idle_stop(&idle_);
  if (stopped_) return;
  uv_update_time(uv_);
  int limit_ms = uv_backend_timeout(uv_);
  for (;;) {
    const int status = loop_.Poll(limit_ms);
    MILLRACE_CHECK(status >= 0);
    if (relays_.Serve() > 0 || wanted_ || loop_.due_count() > 0) {
      RunTurn();
      if (stopped_) return;
    }
    if (loop_.foreign_ready() || limit_ms == 0) break;
    uv_update_time(uv_);
    limit_ms = uv_backend_timeout(uv_);
    if (limit_ms == 0) break;
  }
  uv_idle_start(&idle_, [](uv_idle_t*) {});
}

void Host::RunTurn() {
  turns_ += 1;
  wanted_ = false;
  int events = loop_.event_count();
  int due = loop_.due_count();
  // The turn function does not throw. Should it, it is resumed for what is left, but no
  // more often than it had things to do.
  int failures_left = events + due + 1;
  bool resumed = false;
  int32_t result = kDone;
  do {
    if (!CallTurn(events, due, resumed, &result)) {
      if (!Deliver()) {
        stopped_ = true;
        return;
      }
      result = --failures_left > 0 ? kCheckpoint : kAgain;
    }
    events = due = 0;
    resumed = true;
  } while (result == kCheckpoint);
  loop_.EndTurn();
  if (result == kAgain) Wake();
}

// One entry into JavaScript: ticks and promises have settled when it returns. False when
// there was an exception, or the environment is ending.
bool Host::CallTurn(int events, int due, bool resumed, int32_t* result) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return false;
  napi_value receiver, function, value, arguments[3];
  const bool called =
      napi_get_global(env_, &receiver) == napi_ok &&
      napi_get_reference_value(env_, turn_, &function) == napi_ok &&
      napi_create_int32(env_, events, &arguments[0]) == napi_ok &&
      napi_create_int32(env_, due, &arguments[1]) == napi_ok &&
      napi_get_boolean(env_, resumed, &arguments[2]) == napi_ok &&
      napi_make_callback(env_, context_, receiver, function, 3, arguments, &value) == napi_ok;
  if (called && napi_get_value_int32(env_, value, result) != napi_ok) *result = kDone;
  napi_close_handle_scope(env_, scope);
  return called;
}

// Hands the pending exception to uncaughtException. False when there is none, or it
// cannot be delivered: the environment is ending (worker.terminate, process.exit in a
// worker) and nothing may run in it any more.
bool Host::Deliver() {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return false;
  bool pending = false;
  napi_value error;
  const bool delivered = napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
                         napi_get_and_clear_last_exception(env_, &error) == napi_ok &&
                         napi_fatal_exception(env_, error) == napi_ok;
  napi_close_handle_scope(env_, scope);
  return delivered;
}

void Host::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  static_cast<Host*>(data)->Stop();
}

void Host::Stop() {
  stopped_ = true;
  if (first_env_.load(std::memory_order_relaxed) == env_) {
    first_ = nullptr;
    first_env_.store(nullptr, std::memory_order_release);
  }
  if (turn_ != nullptr) napi_delete_reference(env_, turn_);
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  if (opened_) {
    relays_.EndAll();
    loop_.CloseAll();
  }
  if (open_handles_ == 0) {
    OnClosed();
    return;
  }
  auto on_close = [](uv_handle_t* handle) {
    Host* host = static_cast<Host*>(handle->data);
    host->open_handles_ -= 1;
    if (host->open_handles_ == 0) host->OnClosed();
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), on_close);
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), on_close);
}

void Host::OnClosed() {
  const napi_async_cleanup_hook_handle hook = cleanup_;
  delete this;
  napi_remove_async_cleanup_hook(hook);
}

}  // namespace millrace
