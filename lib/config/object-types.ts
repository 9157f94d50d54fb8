/**
 * The typed object that is another spelling of nginx.conf: one interface for each kind
 * of block, one property for each directive, so that an editor leads. A test holds
 * these interfaces to the tables of the modules. How values become arguments: object.ts.
 */

/** One argument. `true` and `false` are `on` and `off`. */
export type Scalar = string | number | boolean;
/** One directive: a text of words as in nginx.conf, or its arguments one by one. */
export type Words = Scalar | readonly Scalar[];
/** A directive that may be repeated: an array holds several, each a text of words or an array of arguments. */
export type Many = Scalar | readonly Words[];
/** A directive of a name and values: an object has one for each property; else as {@link Many}. */
export type Pairs = Many | Readonly<Record<string, Words>>;
export type Flag = boolean | 'on' | 'off';
/** Bytes, or a number with k, m or g: "8k". */
export type Size = number | string;
/** Seconds, or numbers with units: "1h30m", "500ms". */
export type Time = number | string;
/** Extensions by content type: `{ 'text/html': ['html', 'htm'] }`. */
export type Types = Readonly<Record<string, Words>>;

/** Directives of http, server and location. */
export interface HttpServerLocationDirectives {
  /** Where errors are written and from which level on: debug, info, notice, warn, error, crit, alert, emerg. */
  readonly error_log?: Many;
  /** Directory that the path of the request is appended to. Variables in it are not supported yet. */
  readonly root?: string;
  /** Content type of files whose extension is not in `types`. */
  readonly default_type?: string;
  /** Greatest size of a request body; a greater one gives 413. 0 is without limit. */
  readonly client_max_body_size?: Size;
  /** Time between two reads of a request body; else 408. */
  readonly client_body_timeout?: Time;
  /** Time between two writes to the client; when it takes nothing for that long the connection is closed. */
  readonly send_timeout?: Time;
  /** Ours. Bytes a second, on average over the grace period (10s), that a client has to send of a request body while nothing holds it back; a slower one gets 408, or is cut off when its answer was begun. 0 asks for nothing. */
  readonly client_body_min_rate?: Size | Words;
  /** Ours. Bytes a second, on average over the grace period (10s), that a client has to take of a response that waits for it; a slower one is cut off. 0 asks for nothing. */
  readonly send_min_rate?: Size | Words;
  /** How long an idle client connection stays open; 0 closes it after each response. The second time goes into a "Keep-Alive: timeout=" field. */
  readonly keepalive_timeout?: Words;
  /** Requests after which a client connection is closed. */
  readonly keepalive_requests?: number | `${number}`;
  /** Age from which a client connection is closed after the request that it carries. */
  readonly keepalive_time?: Time;
  /** Time for which an idle client connection is left open when the process is told to quit. */
  readonly keepalive_min_timeout?: Time;
  /** Whether the rest of a request is read before the connection is closed, so that the client can read its answer: where the client may still be sending, or "always". */
  readonly lingering_close?: boolean | 'off' | 'on' | 'always';
  /** Time in all for which the rest of a request is read before a close. */
  readonly lingering_time?: Time;
  /** Time between two reads while lingering. */
  readonly lingering_timeout?: Time;
  /** What the Server field and the proxy's own pages say: name and version, the name only, or a text that may hold variables; an empty one leaves both out ("build" is as "on"). */
  readonly server_tokens?: boolean | string;
  /** Whether a body of unknown length is sent in chunks to HTTP/1.1 clients; else it ends with the connection. */
  readonly chunked_transfer_encoding?: Flag;
  /** Whether redirects that the proxy itself makes carry scheme and host. */
  readonly absolute_redirect?: Flag;
  /** Whether such redirects name the server's first name instead of the request's host. */
  readonly server_name_in_redirect?: Flag;
  /** Whether such redirects name the port where it is not the usual one. */
  readonly port_in_redirect?: Flag;
  /** Content types by file extension. Without it a built-in table of the common ones holds, where nginx knows html, gif and jpg only. */
  readonly types?: Types;
  /** What is shown in place of an error: an internal redirect to a path or a named location, or a redirect to a URL. "=200" changes the status, "=" takes that of the page. */
  readonly error_page?: Pairs;
  /** Accepted without effect: tables are built at their natural size. */
  readonly types_hash_max_size?: Size;
  /** Accepted without effect: tables are built at their natural size. */
  readonly types_hash_bucket_size?: Size;
  /** Accepted without effect: tables are built at their natural size. */
  readonly proxy_headers_hash_max_size?: Size;
  /** Accepted without effect: tables are built at their natural size. */
  readonly proxy_headers_hash_bucket_size?: Size;
  /** Greatest size of a request body that is kept in memory, to be sent to another backend when one fails and for `$request_body`; longer ones are passed on as they come, or become files (`client_body_in_file_only`, `$request_body_file`). More than 1m is as 1m. */
  readonly client_body_buffer_size?: Size;
  /** Whether every body that is read before a backend is asked is written to a file, `$request_body_file`, which stays (`on`) or goes with its request (`clean`). */
  readonly client_body_in_file_only?: boolean | 'on' | 'clean' | 'off';
  /** Accepted without effect: a body that is kept in memory is kept in one piece. */
  readonly client_body_in_single_buffer?: Flag;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly output_buffers?: Words;
  /** Accepted without effect: small writes are sent at once (TCP_NODELAY), head and body in one system call. */
  readonly postpone_output?: Size;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly sendfile?: Flag;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly sendfile_max_chunk?: Size;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly aio?: Scalar;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly directio?: Scalar;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly directio_alignment?: Size;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly read_ahead?: Size;
  /** Accepted without effect: files are opened for each request. */
  readonly open_file_cache?: Words;
  /** Accepted without effect: files are opened for each request. */
  readonly open_file_cache_valid?: Time;
  /** Accepted without effect: files are opened for each request. */
  readonly open_file_cache_min_uses?: number | `${number}`;
  /** Accepted without effect: files are opened for each request. */
  readonly open_file_cache_errors?: Flag;
  /** Accepted without effect: each log file is opened once. */
  readonly open_log_file_cache?: Words;
  /** Accepted without effect: small writes are sent at once (TCP_NODELAY), head and body in one system call. */
  readonly tcp_nopush?: Flag;
  /** Accepted without effect: small writes are sent at once (TCP_NODELAY), head and body in one system call. */
  readonly tcp_nodelay?: Flag;
  /** Whether a client that timed out, or is answered with 444, gets a reset; idle connections are closed in order. */
  readonly reset_timedout_connection?: Flag;
  /** Browsers whose connections are not kept: "msie6" after a POST, "safari" on macOS always. */
  readonly keepalive_disable?: Words;
  /** Accepted without effect: error pages are not padded. */
  readonly msie_padding?: Flag;
  /** Accepted without effect: redirects are redirects for every browser. */
  readonly msie_refresh?: Flag;
  /** Folder of the files that bodies are written to; made where it is used and missing. Levels are digits of the number of a file that become folders inside it. */
  readonly client_body_temp_path?: Words;
  /** Accepted without effect: answers are never written to temporary files. */
  readonly proxy_temp_path?: Words;
  /** Accepted without effect: answers are never written to temporary files. */
  readonly fastcgi_temp_path?: Words;
  /** Accepted without effect: answers are never written to temporary files. */
  readonly uwsgi_temp_path?: Words;
  /** Accepted without effect: answers are never written to temporary files. */
  readonly scgi_temp_path?: Words;
  /** Accepted without effect: answers are streamed with bounded memory and never written to disk. */
  readonly proxy_buffering?: Flag;
  /** Accepted without effect: answers are streamed with bounded memory and never written to disk. */
  readonly proxy_buffer_size?: Size;
  /** Accepted without effect: answers are streamed with bounded memory and never written to disk. */
  readonly proxy_buffers?: Words;
  /** Accepted without effect: answers are streamed with bounded memory and never written to disk. */
  readonly proxy_busy_buffers_size?: Size;
  /** Accepted without effect: answers are streamed with bounded memory and never written to disk. */
  readonly proxy_max_temp_file_size?: Size;
  /** Accepted without effect: answers are streamed with bounded memory and never written to disk. */
  readonly proxy_temp_file_write_size?: Size;
  /** Lets clients of an address, a network or a unix socket; allow and deny are one list, of which the first match counts. */
  readonly allow?: Many;
  /** Refuses (403) clients of an address, a network or a unix socket; allow and deny are one list, of which the first match counts. */
  readonly deny?: Many;
  /** Files that stand for a directory, tried in order; an absolute path is redirected to internally. They may hold variables. */
  readonly index?: Many;
  /** Whether files carry an ETag made of time and size. */
  readonly etag?: Flag;
  /** Greatest number of ranges in one request for parts of a file; who asks for more gets the whole. 0: ranges are ignored. */
  readonly max_ranges?: number | `${number}`;
  /** How If-Modified-Since is compared with the time of a file. */
  readonly if_modified_since?: 'off' | 'exact' | 'before';
  /** Whether files that are not there are reported in the error log. */
  readonly log_not_found?: Flag;
  /** A field of the request to the backend, in place of the client's; an empty value drops it. The list of a block replaces that of the enclosing one. */
  readonly proxy_set_header?: Pairs;
  /** A field of the backend's response that does not reach the client, besides Date, Server, X-Pad and X-Accel-*. */
  readonly proxy_hide_header?: Many;
  /** A field that reaches the client although it would be hidden. */
  readonly proxy_pass_header?: Many;
  /** Time to establish a connection to a backend; else 504. */
  readonly proxy_connect_timeout?: Time;
  /** Time between two writes to the backend; else 504. */
  readonly proxy_send_timeout?: Time;
  /** Time between two reads from the backend; else 504. */
  readonly proxy_read_timeout?: Time;
  /** Whether a request body that fits `client_body_buffer_size` is read to its end before a backend is connected; a longer one is passed on as it arrives in any case, unless it becomes a file. Where this is off no body does. */
  readonly proxy_request_buffering?: Flag;
  /** Whether a backend may finish its answer after the client has left; else its connection is closed at once (499 in the log). */
  readonly proxy_ignore_client_abort?: Flag;
  /** Version of the requests to the backend. For 1.0 a chunked body is read to its end first, since its length has to be known: into memory, or into a file where it is longer than `client_body_buffer_size`. */
  readonly proxy_http_version?: '1.0' | '1.1';
  /** In which cases a request is passed to the next backend, before anything was sent to the client. */
  readonly proxy_next_upstream?: Words;
  /** Greatest number of attempts; 0 is as many as there are backends. */
  readonly proxy_next_upstream_tries?: number | `${number}`;
  /** Time within which another attempt may begin; 0 is without limit. */
  readonly proxy_next_upstream_timeout?: Time;
  /** Whether the client's fields are passed to the backend; those of `proxy_set_header` are in any case. */
  readonly proxy_pass_request_headers?: Flag;
  /** Whether the client's body is passed to the backend. Without it no length is announced either. */
  readonly proxy_pass_request_body?: Flag;
  /** A body for the backend in place of the client's; its length is announced. */
  readonly proxy_set_body?: string;
  /** Method of requests to the backend in place of the client's. */
  readonly proxy_method?: string;
  /** Whether answers of a backend with a status of 300 or more, for which `error_page` has a rule, are answered by that rule. */
  readonly proxy_intercept_errors?: Flag;
  /** Local address, and port where given, of connections to backends; "off" takes back an inherited one. */
  readonly proxy_bind?: string;
  /** Whether the system probes connections to backends (SO_KEEPALIVE). */
  readonly proxy_socket_keepalive?: Flag;
  /** Fields of a backend that are not obeyed: X-Accel-Redirect and others. */
  readonly proxy_ignore_headers?: Many;
  /** Whether trailers of a backend are passed on to clients that get a chunked body. */
  readonly proxy_pass_trailers?: Flag;
  /** Rewrites Location and Refresh of a backend: "default", "off", or a text or ~expression and its replacement. */
  readonly proxy_redirect?: Pairs;
  /** Rewrites Domain of cookies that a backend sets: "off", or a domain or ~expression and its replacement. */
  readonly proxy_cookie_domain?: Pairs;
  /** Rewrites Path of cookies that a backend sets: "off", or a path or ~expression and its replacement. */
  readonly proxy_cookie_path?: Pairs;
  /** Sets or takes away flags of cookies that a backend sets: "off", or a name or ~expression and flags. */
  readonly proxy_cookie_flags?: Pairs;
  /** A field added to responses with status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308, with `always` to all. An empty value adds nothing. */
  readonly add_header?: Pairs;
  /** Whether a block has the `add_header` fields of the enclosing one: only where it has none itself, never, or behind its own. */
  readonly add_header_inherit?: boolean | 'on' | 'off' | 'merge';
  /** A field sent behind the body of responses, which go out in chunks then. */
  readonly add_trailer?: Pairs;
  /** Whether a block has the `add_trailer` fields of the enclosing one: only where it has none itself, never, or behind its own. */
  readonly add_trailer_inherit?: boolean | 'on' | 'off' | 'merge';
  /** Sets Expires and Cache-Control: a time, "modified" and a time, "@" and a time of day, "epoch", "max" or "off". */
  readonly expires?: Words;
  /** Where requests are logged. The lines of a turn of the loop are written together; buffer=, flush= and gzip are accepted without effect. */
  readonly access_log?: Many;
}

/** Directives of http and server. */
export interface HttpServerDirectives {
  /** Time within which the whole head of a request must arrive; else 408 or a close. */
  readonly client_header_timeout?: Time;
  /** Room for a head besides `large_client_header_buffers`; bounds a single line where it is larger than one of those. */
  readonly client_header_buffer_size?: Size;
  /** Bounds of a head: a request line longer than one buffer gives 414, a longer field, or more than all buffers together, 400. */
  readonly large_client_header_buffers?: Words;
  /** Greatest number of fields in the head of a request; more give 400. Those that are left out do not count. */
  readonly max_headers?: number | `${number}`;
  /** Whether fields are left out whose names hold more than letters, digits and dashes. */
  readonly ignore_invalid_headers?: Flag;
  /** Whether an underscore in a field's name counts as a letter. */
  readonly underscores_in_headers?: Flag;
  /** Whether repeated slashes of a path count as one when a location is looked for. */
  readonly merge_slashes?: Flag;
  /** Accepted without effect: memory is taken from one arena. */
  readonly connection_pool_size?: Size;
  /** Accepted without effect: memory is taken from one arena. */
  readonly request_pool_size?: Size;
}

/** Directives of server and location. */
export interface ServerLocationDirectives {
  /** Answers with a status and a text, with a redirect, or with the error page of the status; 444 closes the connection without an answer. */
  readonly return?: Words;
  /** `set` and `return` that run where a condition holds: `{ '($arg_a = b)': { set: '$c 1' } }`. */
  readonly if?: Readonly<Record<string, Readonly<Record<string, Words>>>>;
  /** Gives a variable of the configuration a value, in the order of `set` and `return`. */
  readonly set?: Pairs;
}

/** A `location`. */
export interface LocationOptions extends HttpServerLocationDirectives, ServerLocationDirectives {
  /** Path that takes the place of the location's name, for nested locations without `root` or `alias` of their own too; variables in it are not supported yet. */
  readonly alias?: string;
  /** Passes requests to a group or an address: http://name[:port][/uri] or http://unix:/path[:/uri]. A URI replaces the part that the location matched; one with variables is the whole target. Variables in the host and https are not supported yet. */
  readonly proxy_pass?: string;
  /** `allow`, `deny` and `proxy_pass` for other methods than these: `{ 'GET POST': { deny: 'all' } }`. */
  readonly limit_except?: Readonly<Record<string, Pick<LocationOptions, 'allow' | 'deny' | 'proxy_pass'>>>;
  /** Locations inside this one; each must begin with this one's path. */
  readonly location?: Readonly<Record<string, LocationOptions>>;
}

/** A `server`. */
export interface ServerOptions
  extends HttpServerLocationDirectives, HttpServerDirectives, ServerLocationDirectives {
  /** A socket the server listens on. Names other than localhost are not resolved; ssl, http2, quic and proxy_protocol are not supported yet. */
  readonly listen?: Many;
  /** Names of the server: exact, "*.example.com", "example.*", ".example.com", "" for requests without Host, $hostname. Regular expressions are not supported yet. */
  readonly server_name?: Many;
  /** By path: "/", "= /exact", "^~ /prefix", "@named". */
  readonly location?: Readonly<Record<string, LocationOptions>>;
}

/** An `upstream`. */
export interface UpstreamOptions {
  /** A backend: name or address with an optional port (80), or unix:path. A name with several addresses gives several peers. */
  readonly server?: Many;
  /** Idle connections to the backends of the group that are kept; 0 keeps none. "local" is accepted. */
  readonly keepalive?: Words;
  /** Requests after which a backend connection is closed. */
  readonly keepalive_requests?: number | `${number}`;
  /** Age from which a backend connection is no longer used again. */
  readonly keepalive_time?: Time;
  /** How long an idle backend connection is kept. */
  readonly keepalive_timeout?: Time;
  /** Accepted without effect: one process has one state, nothing needs to be shared. */
  readonly zone?: Words;
}

/** The `http` block. */
export interface HttpOptions extends HttpServerLocationDirectives, HttpServerDirectives {
  /** Accepted without effect: tables are built at their natural size. */
  readonly server_names_hash_max_size?: Size;
  /** Accepted without effect: tables are built at their natural size. */
  readonly server_names_hash_bucket_size?: Size;
  /** Accepted without effect: tables are built at their natural size. */
  readonly variables_hash_max_size?: Size;
  /** Accepted without effect: tables are built at their natural size. */
  readonly variables_hash_bucket_size?: Size;
  /** A form of log lines. Values are escaped as \xHH, for JSON, or not at all. */
  readonly log_format?: Pairs;
  /** One virtual server or several. */
  readonly server?: ServerOptions | readonly ServerOptions[];
  /** Groups of backends by name. */
  readonly upstream?: Readonly<Record<string, UpstreamOptions>>;
}

/** The `events` block. */
export interface EventsOptions {
  /** Greatest number of client connections; more are accepted and closed again. */
  readonly worker_connections?: number | `${number}`;
  /** Accepted; the operating system's own poller (epoll, kqueue) is always used. */
  readonly use?: 'epoll' | 'kqueue' | 'poll' | 'select' | 'eventport' | '/dev/poll';
  /** Accepted without effect: connections are always accepted in batches within a budget. */
  readonly multi_accept?: Flag;
  /** Accepted without effect: the kernel wakes one process for each connection. */
  readonly accept_mutex?: Flag;
  /** Accepted without effect: the kernel wakes one process for each connection. */
  readonly accept_mutex_delay?: Time;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly worker_aio_requests?: number | `${number}`;
}

/** A whole configuration. */
export interface ProxyOptions {
  /** Where errors are written and from which level on: debug, info, notice, warn, error, crit, alert, emerg. */
  readonly error_log?: Many;
  /** Number of worker processes. This version runs one and warns when more are asked for. */
  readonly worker_processes?: number | 'auto';
  /** File that holds the process id, written after every socket is bound. */
  readonly pid?: string;
  /** Whether to go into the background. Millrace stays in the foreground unless told otherwise. */
  readonly daemon?: Flag;
  /** Whether workers are started. Accepted; in this version one process does everything. */
  readonly master_process?: Flag;
  /** User and group the process changes to when it was started as root. */
  readonly user?: Words;
  /** An environment variable to keep or set. Accepted; the environment is kept as it is, nothing is set. */
  readonly env?: Many;
  /** Accepted without effect: the clock is read once in each turn of the loop. */
  readonly timer_resolution?: string;
  /** Accepted without effect: set the priority of the process from outside. */
  readonly worker_priority?: number | `${number}`;
  /** Accepted without effect: set the limit of open files from outside. */
  readonly worker_rlimit_nofile?: number | `${number}`;
  /** Accepted without effect: set the limit of core files from outside. */
  readonly worker_rlimit_core?: Size;
  /** Accepted without effect: set the affinity of the process from outside. */
  readonly worker_cpu_affinity?: Words;
  /** Accepted without effect: the process stays where it was started. */
  readonly working_directory?: string;
  /** Accepted without effect: regular expressions are compiled by the JavaScript engine. */
  readonly pcre_jit?: Flag;
  /** Accepted without effect: no lock is needed for accepting connections. */
  readonly lock_file?: string;
  /** Accepted without effect: files are read in bounded chunks by the thread pool. */
  readonly thread_pool?: Words;
  /** Need not be given. */
  readonly events?: EventsOptions;
  readonly http?: HttpOptions;
}
