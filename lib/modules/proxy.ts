/**
 * `proxy_pass` and what shapes it: makes of the rows the configuration that the
 * engine's proxy handler works from.
 */
import type { Module, PhaseBuilder } from '../module-api/index.js';
import { proxyHandler } from '../proxy/proxy-handler.js';
import type { EngineBuilder, NextUpstream, ProxyPassConfig, SetHeader } from '../proxy/runtime.js';
import { cookieRewrite, proxyCookieDomain, proxyCookieFlags, proxyCookiePath } from './proxy-cookie.js';
import { proxyRedirect, redirectRewrite } from './proxy-redirect.js';
import * as rows from './proxy-rows.js';
import * as shape from './proxy-shape-rows.js';
import { targetChooser } from './proxy-target.js';
import { registerProxy, proxyVariables } from './variables/proxy.js';

/** Fields of a backend that do not reach the client unless `proxy_pass_header` names them. */
export const HIDDEN_HEADERS: readonly string[] = [
  'date',
  'server',
  'x-pad',
  'x-accel-expires',
  'x-accel-redirect',
  'x-accel-limit-rate',
  'x-accel-buffering',
  'x-accel-charset',
];

/** Lower-cased names that are hidden: the usual ones and `hide`, but none of `pass`. */
export function hiddenHeaders(hide: readonly string[], pass: readonly string[]): readonly string[] {
  const names = new Set(HIDDEN_HEADERS);
  for (const name of hide) names.add(name);
  // A name that is both hidden and passed is passed, as in nginx.
  for (const name of pass) names.delete(name);
  return [...names];
}

/** The fields in effect: those written, then nginx's own for names that were not. */
function setHeaders(builder: PhaseBuilder, pass: rows.ProxyPassSetting, httpVersion: string): SetHeader[] {
  const written = builder.settings.get(rows.proxySetHeader);
  const names = new Set(written.map(({ name }) => name.toLowerCase()));
  const usual: rows.ProxySetHeaderSetting[] = [{ name: 'Host', text: '$proxy_host' }];
  if (httpVersion === '1.0') usual.push({ name: 'Connection', text: 'close' });
  return [...written, ...usual.filter(({ name }) => !names.has(name.toLowerCase()))].map(
    ({ name, text }) => ({
      name,
      value: builder.parse.compileText(withConstants(text, pass)),
    }),
  );
}

/** Puts the constants of this location in place of their variables, so that the hot path copies bytes. */
function withConstants(text: string, pass: rows.ProxyPassSetting): string {
  if (pass.url !== undefined) return text;
  return text
    .replace(/\$\{proxy_host\}|\$proxy_host(?![A-Za-z0-9_])/g, () => pass.proxyHost)
    .replace(/\$\{proxy_port\}|\$proxy_port(?![A-Za-z0-9_])/g, () => pass.proxyPort);
}

function nextUpstream(builder: PhaseBuilder): NextUpstream {
  return {
    ...builder.settings.get(rows.proxyNextUpstream),
    tries: builder.settings.get(rows.proxyNextUpstreamTries),
    timeoutMs: builder.settings.get(rows.proxyNextUpstreamTimeout),
  };
}

function passConfig(builder: EngineBuilder, pass: rows.ProxyPassSetting): ProxyPassConfig {
  const { settings, location } = builder;
  const httpVersion = settings.get(rows.proxyHttpVersion);
  if (pass.uri !== undefined && (location.kind === 'named' || location.kind === 'regex')) {
    builder.parse.fail(
      pass.at,
      '"proxy_pass" cannot have URI part in location given by regular expression, or inside named location',
    );
  }
  return {
    ...(pass.url === undefined
      ? { group: builder.upstreamGroup(pass.authority, pass.at.position), choose: undefined }
      : { group: undefined, choose: targetChooser(pass.url, builder.findUpstream) }),
    request: {
      method: settings.get(shape.proxyMethod),
      body: settings.get(shape.proxySetBody),
      passFields: settings.get(shape.proxyPassRequestHeaders),
      passBody: settings.get(shape.proxyPassRequestBody),
    },
    response: {
      rewrites: [
        redirectRewrite(settings, pass, location.name, builder.parse),
        cookieRewrite(settings),
      ].filter((rewrite) => rewrite !== undefined),
      interceptErrors: settings.get(shape.proxyInterceptErrors),
      followRedirect: !settings.get(shape.proxyIgnoreHeaders).has('x-accel-redirect'),
      passTrailers: settings.get(shape.proxyPassTrailers),
    },
    connect: { bind: settings.get(shape.proxyBind), keepAlive: settings.get(shape.proxySocketKeepalive) },
    proxyHost: pass.proxyHost,
    proxyPort: pass.proxyPort,
    uri: pass.uri,
    locationPrefix: location.name,
    target: pass.target,
    setHeaders: setHeaders(builder, pass, httpVersion),
    hideHeaders: hiddenHeaders(settings.get(rows.proxyHideHeader), settings.get(rows.proxyPassHeader)),
    requestBuffering: settings.get(rows.proxyRequestBuffering),
    connectTimeoutMs: settings.get(rows.proxyConnectTimeout),
    sendTimeoutMs: settings.get(rows.proxySendTimeout),
    ignoreClientAbort: settings.get(rows.proxyIgnoreClientAbort),
    readTimeoutMs: settings.get(rows.proxyReadTimeout),
    httpVersion,
    nextUpstream: nextUpstream(builder),
  };
}

/** `proxy_*`. */
export const proxyModule: Module = {
  name: 'proxy',
  directives: [
    rows.proxyPass,
    rows.proxySetHeader,
    rows.proxyHideHeader,
    rows.proxyPassHeader,
    rows.proxyConnectTimeout,
    rows.proxySendTimeout,
    rows.proxyReadTimeout,
    rows.proxyRequestBuffering,
    rows.proxyIgnoreClientAbort,
    rows.proxyHttpVersion,
    rows.proxyNextUpstream,
    rows.proxyNextUpstreamTries,
    rows.proxyNextUpstreamTimeout,
    shape.proxyPassRequestHeaders,
    shape.proxyPassRequestBody,
    shape.proxySetBody,
    shape.proxyMethod,
    shape.proxyInterceptErrors,
    shape.proxyBind,
    shape.proxySocketKeepalive,
    shape.proxyIgnoreHeaders,
    shape.proxyPassTrailers,
    proxyRedirect,
    proxyCookieDomain,
    proxyCookiePath,
    proxyCookieFlags,
  ],
  variables: proxyVariables,
  location(builder) {
    const pass = builder.settings.own(rows.proxyPass);
    if (pass === undefined) return;
    const handler = proxyHandler(passConfig(builder as EngineBuilder, pass));
    if (pass.url === undefined) registerProxy(handler, pass);
    builder.content(handler);
  },
};
