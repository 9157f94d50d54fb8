/**
 * Directives that are read, checked for their number of arguments and have no effect
 * here: they tune machinery of nginx that Millrace does not have. Each says why, so
 * that nobody hunts for the effect of a number.
 */
import { directive, type AnyDirective, type Context, type Module } from '../module-api/index.js';
import { HTTP_SERVER, HTTP_SERVER_LOCATION, MANY } from './rows.js';

type Arity = number | readonly [min: number, max: number];
type Entry = readonly [name: string, contexts: readonly Context[], args: Arity, syntax: string, why: string];

const MAIN: readonly Context[] = ['main'];
const EVENTS: readonly Context[] = ['events'];
const HTTP: readonly Context[] = ['http'];

const FILES = 'files are read in bounded chunks by the thread pool';
const HASHES = 'tables are built at their natural size';
const STREAMING = 'answers are streamed with bounded memory and never written to disk';
const WHOLE = 'a body that is kept in memory is kept in one piece';
const MEMORY = 'memory is taken from one arena';
const SOCKETS = 'small writes are sent at once (TCP_NODELAY), head and body in one system call';
const TEMP = 'answers are never written to temporary files';

/** name, contexts, arity, syntax, why it has no effect. */
const table: readonly Entry[] = [
  ['timer_resolution', MAIN, 1, 'interval', 'the clock is read once in each turn of the loop'],
  ['worker_priority', MAIN, 1, 'number', 'set the priority of the process from outside'],
  ['worker_rlimit_nofile', MAIN, 1, 'number', 'set the limit of open files from outside'],
  ['worker_rlimit_core', MAIN, 1, 'size', 'set the limit of core files from outside'],
  [
    'worker_cpu_affinity',
    MAIN,
    [1, MANY],
    'auto | cpumask ...',
    'set the affinity of the process from outside',
  ],
  ['working_directory', MAIN, 1, 'directory', 'the process stays where it was started'],
  ['pcre_jit', MAIN, 1, 'on | off', 'regular expressions are compiled by the JavaScript engine'],
  ['lock_file', MAIN, 1, 'file', 'no lock is needed for accepting connections'],
  ['thread_pool', MAIN, [2, 3], 'name threads=number [max_queue=number]', FILES],

  ['multi_accept', EVENTS, 1, 'on | off', 'connections are always accepted in batches within a budget'],
  ['accept_mutex', EVENTS, 1, 'on | off', 'the kernel wakes one process for each connection'],
  ['accept_mutex_delay', EVENTS, 1, 'time', 'the kernel wakes one process for each connection'],
  ['worker_aio_requests', EVENTS, 1, 'number', FILES],

  ['server_names_hash_max_size', HTTP, 1, 'size', HASHES],
  ['server_names_hash_bucket_size', HTTP, 1, 'size', HASHES],
  ['variables_hash_max_size', HTTP, 1, 'size', HASHES],
  ['variables_hash_bucket_size', HTTP, 1, 'size', HASHES],
  ['types_hash_max_size', HTTP_SERVER_LOCATION, 1, 'size', HASHES],
  ['types_hash_bucket_size', HTTP_SERVER_LOCATION, 1, 'size', HASHES],
  ['proxy_headers_hash_max_size', HTTP_SERVER_LOCATION, 1, 'size', HASHES],
  ['proxy_headers_hash_bucket_size', HTTP_SERVER_LOCATION, 1, 'size', HASHES],
  ['connection_pool_size', HTTP_SERVER, 1, 'size', MEMORY],
  ['request_pool_size', HTTP_SERVER, 1, 'size', MEMORY],
  ['client_body_in_single_buffer', HTTP_SERVER_LOCATION, 1, 'on | off', WHOLE],
  ['output_buffers', HTTP_SERVER_LOCATION, 2, 'number size', FILES],
  ['postpone_output', HTTP_SERVER_LOCATION, 1, 'size', SOCKETS],
  ['sendfile', HTTP_SERVER_LOCATION, 1, 'on | off', FILES],
  ['sendfile_max_chunk', HTTP_SERVER_LOCATION, 1, 'size', FILES],
  ['aio', HTTP_SERVER_LOCATION, 1, 'on | off | threads[=pool]', FILES],
  ['directio', HTTP_SERVER_LOCATION, 1, 'size | off', FILES],
  ['directio_alignment', HTTP_SERVER_LOCATION, 1, 'size', FILES],
  ['read_ahead', HTTP_SERVER_LOCATION, 1, 'size', FILES],
  [
    'open_file_cache',
    HTTP_SERVER_LOCATION,
    [1, 2],
    'off | max=N [inactive=time]',
    'files are opened for each request',
  ],
  ['open_file_cache_valid', HTTP_SERVER_LOCATION, 1, 'time', 'files are opened for each request'],
  ['open_file_cache_min_uses', HTTP_SERVER_LOCATION, 1, 'number', 'files are opened for each request'],
  ['open_file_cache_errors', HTTP_SERVER_LOCATION, 1, 'on | off', 'files are opened for each request'],
  ['open_log_file_cache', HTTP_SERVER_LOCATION, [1, 4], 'off | max=N [...]', 'each log file is opened once'],
  ['tcp_nopush', HTTP_SERVER_LOCATION, 1, 'on | off', SOCKETS],
  ['tcp_nodelay', HTTP_SERVER_LOCATION, 1, 'on | off', SOCKETS],
  ['msie_padding', HTTP_SERVER_LOCATION, 1, 'on | off', 'error pages are not padded'],
  ['msie_refresh', HTTP_SERVER_LOCATION, 1, 'on | off', 'redirects are redirects for every browser'],

  ['proxy_temp_path', HTTP_SERVER_LOCATION, [1, 4], 'path [level1 [level2 [level3]]]', TEMP],
  ['fastcgi_temp_path', HTTP_SERVER_LOCATION, [1, 4], 'path [level1 [level2 [level3]]]', TEMP],
  ['uwsgi_temp_path', HTTP_SERVER_LOCATION, [1, 4], 'path [level1 [level2 [level3]]]', TEMP],
  ['scgi_temp_path', HTTP_SERVER_LOCATION, [1, 4], 'path [level1 [level2 [level3]]]', TEMP],

  ['proxy_buffering', HTTP_SERVER_LOCATION, 1, 'on | off', STREAMING],
  ['proxy_buffer_size', HTTP_SERVER_LOCATION, 1, 'size', STREAMING],
  ['proxy_buffers', HTTP_SERVER_LOCATION, 2, 'number size', STREAMING],
  ['proxy_busy_buffers_size', HTTP_SERVER_LOCATION, 1, 'size', STREAMING],
  ['proxy_max_temp_file_size', HTTP_SERVER_LOCATION, 1, 'size', STREAMING],
  ['proxy_temp_file_write_size', HTTP_SERVER_LOCATION, 1, 'size', STREAMING],
  ['zone', ['upstream'], [1, 2], 'name [size]', 'one process has one state, nothing needs to be shared'],
];

const rows: readonly AnyDirective[] = table.map(([name, contexts, args, syntax, why]) =>
  directive<boolean>({
    name,
    contexts,
    args,
    // Some may be repeated in nginx (thread_pool), most may not: a second one changes nothing here.
    repeat: 'append',
    parse: () => true,
    default: false,
    syntax,
    defaultText: '-',
    doc: `Accepted without effect: ${why}.`,
  }),
);

/** Everything that is accepted without effect. */
export const acceptedModule: Module = { name: 'accepted', directives: rows };
