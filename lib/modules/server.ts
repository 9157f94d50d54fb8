/**
 * Rows of a server: its names, and what holds for a connection before the location of
 * its request is known.
 */
import { hostname } from 'node:os';
import { directive, type Module, type Pattern } from '../module-api/index.js';
import { groupNames } from '../util/regex.js';
import { listen } from './listen.js';
import {
  argument,
  flagRow,
  HTTP_SERVER,
  MANY,
  numberRow,
  readNumber,
  readSize,
  sizeRow,
  timeRow,
} from './rows.js';

/** `server_name`. */
export interface ServerNames {
  /** Every name as written, lower-cased but for expressions. */
  readonly names: readonly string[];
  /** Those that are regular expressions, in order. */
  readonly patterns: readonly Pattern[];
}

export const serverName = directive<ServerNames>({
  name: 'server_name',
  contexts: ['server'],
  args: [1, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const patterns: Pattern[] = [...(previous?.patterns ?? [])];
    const names = node.args.map((at) => {
      if (at.text.startsWith('~')) {
        const text = at.text.slice(1);
        if (text === '') return context.fail(at, 'empty regex in server name "~"');
        // Hosts are lower-cased before they are looked at, so a capital letter must not count.
        patterns.push(context.compilePattern(at, text, /[A-Z]/.test(text)));
        return at.text;
      }
      const name = at.text === '$hostname' ? hostname() : at.text;
      if (!isValidName(name)) {
        return context.fail(at, `invalid server name or wildcard "${at.text}" on`);
      }
      return name.toLowerCase();
    });
    return { names: [...(previous?.names ?? []), ...names], patterns };
  },
  declares: (node) => node.args.flatMap(({ text }) => (text.startsWith('~') ? groupNames(text) : [])),
  default: { names: [''], patterns: [] },
  syntax: 'name ...',
  defaultText: '""',
  doc: 'Names of the server: exact, "*.example.com", "example.*", ".example.com", "~expression", "" for requests without Host, $hostname. They are tried in that order; its groups become `$1` to `$9`, and variables where they have names.',
});

/** A star may stand for whole labels at one end only; no empty labels. */
function isValidName(name: string): boolean {
  if (name === '') return true;
  const bare = name.startsWith('*.')
    ? name.slice(2)
    : name.endsWith('.*')
      ? name.slice(0, -2)
      : name.startsWith('.')
        ? name.slice(1)
        : name;
  return bare !== '' && !bare.includes('*') && !bare.includes('..') && !/[/\s\0]/.test(bare);
}

export const clientHeaderTimeout = timeRow(
  'client_header_timeout',
  '60s',
  'Time within which the whole head of a request must arrive; else 408 or a close.',
  { contexts: HTTP_SERVER },
);

export const clientHeaderBufferSize = sizeRow(
  'client_header_buffer_size',
  '1k',
  'Room for a head besides `large_client_header_buffers`; bounds a single line where it is larger than one of those.',
  { contexts: HTTP_SERVER },
);

/** `large_client_header_buffers`. */
export interface HeaderBuffers {
  readonly count: number;
  /** Bytes of one. */
  readonly size: number;
}

export const largeClientHeaderBuffers = directive<HeaderBuffers>({
  name: 'large_client_header_buffers',
  contexts: HTTP_SERVER,
  args: 2,
  parse(node, context) {
    const count = readNumber(node, argument(node, 0), context);
    const size = readSize(node, argument(node, 1), context);
    if (count === 0 || size === 0) return context.fail(node, `"${node.name}" directive invalid value`);
    return { count, size };
  },
  default: { count: 4, size: 8192 },
  syntax: 'number size',
  defaultText: '4 8k',
  doc: 'Bounds of a head: a request line longer than one buffer gives 414, a longer field, or more than all buffers together, 400.',
});

export const maxHeaders = numberRow(
  'max_headers',
  1000,
  'Greatest number of fields in the head of a request; more give 400. Those that are left out do not count.',
  { contexts: HTTP_SERVER },
);

export const ignoreInvalidHeaders = flagRow(
  'ignore_invalid_headers',
  true,
  'Whether fields are left out whose names hold more than letters, digits and dashes.',
  { contexts: HTTP_SERVER },
);

export const underscoresInHeaders = flagRow(
  'underscores_in_headers',
  false,
  "Whether an underscore in a field's name counts as a letter.",
  { contexts: HTTP_SERVER },
);

export const mergeSlashes = flagRow(
  'merge_slashes',
  true,
  'Whether repeated slashes of a path count as one when a location is looked for.',
  { contexts: HTTP_SERVER },
);

/**
 * Rows of a server. What bounds and reads a head is that of the socket's default server:
 * which server is asked for is known only behind the head.
 */
export const serverModule: Module = {
  name: 'server',
  directives: [
    listen,
    serverName,
    clientHeaderTimeout,
    clientHeaderBufferSize,
    largeClientHeaderBuffers,
    maxHeaders,
    ignoreInvalidHeaders,
    underscoresInHeaders,
    mergeSlashes,
  ],
};
