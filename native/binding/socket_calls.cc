// Sockets apart from moving bytes: opening, adopting, options, addresses.
#include <cerrno>

#include "binding/call.h"
#include "net/socket.h"

namespace millrace {
namespace {

bool ReadInteger(napi_env env, napi_value value, int32_t* number) {
  if (napi_get_value_int32(env, value, number) == napi_ok) return true;
  ThrowTypeError(env, "expected an integer");
  return false;
}

// address, port, backlog, flags
napi_value Listen(napi_env env, napi_callback_info info) {
  napi_value values[4];
  Host* host = Arguments(env, info, values);
  Text address;
  int32_t port, backlog, flags;
  if (!address.Read(env, values[0]) || !ReadInteger(env, values[1], &port) ||
      !ReadInteger(env, values[2], &backlog) || !ReadInteger(env, values[3], &flags)) {
    return nullptr;
  }
  if (!host->opened()) return Number(env, -EBADF);
  return Number(env,
                Listen(host->loop(), address.bytes, port, backlog, static_cast<uint32_t>(flags)));
}

// address, port, localAddress
napi_value Connect(napi_env env, napi_callback_info info) {
  napi_value values[3];
  Host* host = Arguments(env, info, values);
  Text address, local;
  int32_t port;
  if (!address.Read(env, values[0]) || !ReadInteger(env, values[1], &port) ||
      !local.Read(env, values[2])) {
    return nullptr;
  }
  if (!host->opened()) return Number(env, -EBADF);
  return Number(env, Connect(host->loop(), address.bytes, port, local.bytes));
}

// fd, kind, flags
napi_value Adopt(napi_env env, napi_callback_info info) {
  int32_t n[3];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->opened()) return Number(env, -EBADF);
  if (n[1] < 0 || n[1] > 2) return Number(env, -EINVAL);
  return Number(env,
                Adopt(host->loop(), n[0], static_cast<Kind>(n[1]), static_cast<uint32_t>(n[2])));
}

napi_value FileDescriptor(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  return Number(env, FileDescriptor(host->loop(), n[0]));
}

// listener, enabled
napi_value EnableListener(napi_env env, napi_callback_info info) {
  int32_t n[2];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  return Number(env, host->loop().EnableListener(n[0], n[1] != 0));
}

napi_value ConnectResult(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  return Number(env, ConnectResult(host->loop(), n[0]));
}

// handle, option, value
napi_value SetOption(napi_env env, napi_callback_info info) {
  int32_t n[3];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  return Number(env, SetOption(host->loop(), n[0], static_cast<Option>(n[1]), n[2]));
}

using Lookup = int (*)(Loop&, Handle, Address*);

napi_value AddressText(napi_env env, napi_callback_info info, Lookup lookup) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  Address address;
  char text[Address::kMaxText];
  size_t length = 0;
  if (lookup(host->loop(), n[0], &address) >= 0) length = address.Format(text);
  napi_value result;
  napi_create_string_latin1(env, text, length, &result);
  return result;
}

napi_value RemoteAddress(napi_env env, napi_callback_info info) {
  return AddressText(env, info, PeerAddress);
}

napi_value LocalAddressCall(napi_env env, napi_callback_info info) {
  return AddressText(env, info, LocalAddress);
}

}  // namespace

const Export kSocketCalls[] = {
    {"listen", Listen},
    {"connect", Connect},
    {"adopt", Adopt},
    {"fileDescriptor", FileDescriptor},
    {"enableListener", EnableListener},
    {"connectResult", ConnectResult},
    {"setOption", SetOption},
    {"remoteAddress", RemoteAddress},
    {"localAddress", LocalAddressCall},
    {nullptr, nullptr},
};

}  // namespace millrace
