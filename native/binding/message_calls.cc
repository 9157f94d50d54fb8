// Datagrams and the passing of descriptors.
#include <cerrno>

#include "binding/call.h"
#include "net/message.h"

namespace millrace {
namespace {

bool ReadIntegers(napi_env env, const napi_value* values, int32_t* numbers, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (napi_get_value_int32(env, values[i], &numbers[i]) == napi_ok) continue;
    ThrowTypeError(env, "expected an integer");
    return false;
  }
  return true;
}

// address, port, flags
napi_value Datagram(napi_env env, napi_callback_info info) {
  napi_value values[3];
  Host* host = Arguments(env, info, values);
  Text address;
  int32_t n[2];
  if (!address.Read(env, values[0]) || !ReadIntegers(env, values + 1, n, 2)) return nullptr;
  if (!host->opened()) return Number(env, -EBADF);
  return Number(env, OpenDatagram(host->loop(), address.bytes, n[0], static_cast<uint32_t>(n[1])));
}

// handle, offset, length, address, port
napi_value SendTo(napi_env env, napi_callback_info info) {
  napi_value values[5];
  Host* host = Arguments(env, info, values);
  Text text;
  int32_t n[3], port;
  if (!ReadIntegers(env, values, n, 3) || !text.Read(env, values[3]) ||
      !ReadIntegers(env, values + 4, &port, 1)) {
    return nullptr;
  }
  if (!host->Contains(n[1], n[2])) return Number(env, -EFAULT);
  Address to;
  const bool connected = text.bytes[0] == '\0';
  if (!connected) {
    const int status = to.Parse(text.bytes, port);
    if (status < 0) return Number(env, status);
  }
  return Number(env, SendTo(host->loop(), n[0], host->At(n[1]), static_cast<size_t>(n[2]),
                            connected ? nullptr : &to));
}

// handle, offset, length
napi_value ReceiveFromCall(napi_env env, napi_callback_info info) {
  int32_t n[3];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->Contains(n[1], n[2])) return Number(env, -EFAULT);
  return Number(env, ReceiveFrom(host->loop(), n[0], host->At(n[1]), static_cast<size_t>(n[2]),
                                 &host->last_sender()));
}

napi_value LastSender(napi_env env, napi_callback_info info) {
  Host* host = HostOf(env, info);
  char text[Address::kMaxText];
  napi_value result;
  napi_create_string_latin1(env, text, host->last_sender().Format(text), &result);
  return result;
}

// handle, offset, length, fds, count
napi_value SendFdsCall(napi_env env, napi_callback_info info) {
  int32_t n[5];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (n[4] < 0 || n[4] > kMaxPassedFds) return Number(env, -EINVAL);
  if (!host->Contains(n[1], n[2]) || n[3] % 4 != 0 || !host->Contains(n[3], n[4] * 4)) {
    return Number(env, -EFAULT);
  }
  return Number(env, SendFds(host->loop(), n[0], host->At(n[1]), static_cast<size_t>(n[2]),
                             host->arena().At<int32_t>(static_cast<size_t>(n[3])), n[4]));
}

// handle, offset, length
napi_value ReceiveFdsCall(napi_env env, napi_callback_info info) {
  int32_t n[3];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->Contains(n[1], n[2])) return Number(env, -EFAULT);
  int32_t* table = host->arena().At<int32_t>(host->arena().layout().table);
  int count = 0;
  const int result =
      ReceiveFds(host->loop(), n[0], host->At(n[1]), static_cast<size_t>(n[2]), table + 1, &count);
  table[0] = count;
  return Number(env, result);
}

}  // namespace

const Export kMessageCalls[] = {
    {"datagram", Datagram},     {"sendTo", SendTo},       {"receiveFrom", ReceiveFromCall},
    {"lastSender", LastSender}, {"sendFds", SendFdsCall}, {"receiveFds", ReceiveFdsCall},
    {nullptr, nullptr},
};

}  // namespace millrace
