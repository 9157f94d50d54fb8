/** The texts that tools which drive nginx read. */
import { describe, expect, test } from 'vitest';
import { buildText, versionText } from '../../../lib/cli/version.js';
import { VERSION } from '../../../lib/util/version.js';

describe('versions', () => {
  test('-v names us and the reference', () => {
    expect(versionText()).toBe(`millrace version: millrace/${VERSION}\nnginx version: nginx/1.31.4\n`);
  });

  test('-V lists what is missing, and only that', () => {
    const text = buildText(new Set(['allow', 'return', 'proxy_pass', 'keepalive', 'zone']));
    expect(text).toMatch(/^nginx version: nginx\/1\.31\.4$/m);
    const flags = /^configure arguments: (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
    expect(flags).toContain('--without-http_gzip_module');
    expect(flags).toContain('--without-http-cache');
    expect(flags).toContain('--without-http_upstream_least_conn_module');
    for (const present of ['access', 'rewrite', 'proxy', 'upstream_keepalive', 'upstream_zone']) {
      expect(flags).not.toContain(`--without-http_${present}_module`);
    }
  });

  test('-V claims no feature that is off unless it is named', () => {
    const text = buildText(new Set());
    expect(text).not.toMatch(/--with-|http_ssl|http_v2|OpenSSL/);
  });
});
