/**
 * The texts of `-v` and `-V`. Tools that drive nginx look for the line
 * "nginx version: nginx/x.y.z" and read from the configure arguments what is missing:
 * a module counts as present unless its `--without-` flag is there. Each module of
 * nginx is known by one of its directives, so the list follows what the registry holds.
 */
import { VERSION } from '../util/version.js';

/** The nginx whose behaviour is the reference. */
export const NGINX_VERSION = '1.31.4';

/** Module in the flag's words, and a directive that only it has. */
const HTTP_MODULES: readonly (readonly [module: string, directive: string])[] = [
  ['charset', 'charset'],
  ['gzip', 'gzip'],
  ['ssi', 'ssi'],
  ['userid', 'userid'],
  ['access', 'allow'],
  ['auth_basic', 'auth_basic'],
  ['mirror', 'mirror'],
  ['autoindex', 'autoindex'],
  ['geo', 'geo'],
  ['map', 'map'],
  ['split_clients', 'split_clients'],
  ['referer', 'valid_referers'],
  // `return` belongs to this module too, and most files that ask for it need no more.
  ['rewrite', 'return'],
  ['proxy', 'proxy_pass'],
  ['fastcgi', 'fastcgi_pass'],
  ['uwsgi', 'uwsgi_pass'],
  ['scgi', 'scgi_pass'],
  ['grpc', 'grpc_pass'],
  ['memcached', 'memcached_pass'],
  ['tunnel', 'tunnel_pass'],
  ['limit_conn', 'limit_conn'],
  ['limit_req', 'limit_req'],
  ['empty_gif', 'empty_gif'],
  ['browser', 'modern_browser'],
  ['upstream_hash', 'hash'],
  ['upstream_ip_hash', 'ip_hash'],
  ['upstream_least_conn', 'least_conn'],
  ['upstream_least_time', 'least_time'],
  ['upstream_random', 'random'],
  ['upstream_keepalive', 'keepalive'],
  ['upstream_zone', 'zone'],
  ['upstream_sticky', 'sticky'],
];

/** "millrace version: millrace/0.1.0" and nginx's line, for `-v`. */
export function versionText(): string {
  return `millrace version: millrace/${VERSION}\nnginx version: nginx/${NGINX_VERSION}\n`;
}

/** What `-V` prints. `directives` are the names that the registry knows. */
export function buildText(directives: ReadonlySet<string>): string {
  const missing = HTTP_MODULES.filter(([, directive]) => !directives.has(directive));
  const flags = [
    ...(directives.has('proxy_cache') ? [] : ['--without-http-cache']),
    ...missing.map(([module]) => `--without-http_${module}_module`),
    '--without-mail_pop3_module',
    '--without-mail_imap_module',
    '--without-mail_smtp_module',
  ];
  const platform = `${process.platform} ${process.arch}`;
  return [
    versionText().trimEnd(),
    `running on node ${process.versions.node} (${platform}, V8 ${process.versions.v8})`,
    `configure arguments: ${flags.join(' ')}`,
    '',
  ].join('\n');
}
