# The addon as npm builds it. CMakeLists.txt builds the same sources for development.
{
  'targets': [
    {
      'target_name': 'millrace',
      'sources': [
        'native/base/arena.cc',
        'native/base/block_allocator.cc',
        'native/loop/loop.cc',
        'native/loop/timers.cc',
        'native/net/address.cc',
        'native/net/message.cc',
        'native/net/socket.cc',
        'native/relay/relay.cc',
        'native/scan/compose_head.cc',
        'native/scan/compose_line.cc',
        'native/scan/name_table.cc',
        'native/scan/scan_fields.cc',
        'native/binding/addon.cc',
        'native/binding/call.cc',
        'native/binding/host.cc',
        'native/binding/host_calls.cc',
        'native/binding/hot_calls.cc',
        'native/binding/message_calls.cc',
        'native/binding/relay_calls.cc',
        'native/binding/socket_calls.cc',
        'native/binding/stream_calls.cc',
      ],
      'include_dirs': ['native'],
      'cflags': ['-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-rtti', '-fno-exceptions'],
      'cflags_cc': [
        '-std=c++20',
        '-fno-exceptions',
        '-fno-rtti',
        '-fvisibility-inlines-hidden',
        '-fno-threadsafe-statics',
        '-Wall',
        '-Wextra',
        '-Wconversion',
      ],
      'conditions': [
        ['OS=="linux"', {
          'sources': [
            'native/base/memory_linux.cc',
            'native/net/os_linux.cc',
            'native/poller/poller_epoll.cc',
            'native/relay/pipes_linux.cc',
          ],
          'ldflags': ['-Wl,--version-script=<(module_root_dir)/native/binding/exports.map'],
        }, {
          'sources': [
            'native/base/memory_bsd.cc',
            'native/net/os_bsd.cc',
            'native/poller/poller_kqueue.cc',
            'native/relay/pipes_none.cc',
          ],
        }],
        ['OS=="mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'NO',
            'GCC_ENABLE_CPP_RTTI': 'NO',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'MACOSX_DEPLOYMENT_TARGET': '11.0',
            'OTHER_LDFLAGS': [
              '-Wl,-exported_symbols_list,<(module_root_dir)/native/binding/exports.txt',
            ],
          },
        }],
      ],
    },
  ],
}
