/**
 * Rows of plain files: which name stands for a directory, and what is said of a file.
 */
import { directive, type Value } from '../module-api/index.js';
import { argument, flagRow, HTTP_SERVER_LOCATION, MANY, readNumber } from './rows.js';

/** A name, or a text with variables that gives one. */
export const index = directive<readonly (string | Value)[]>({
  name: 'index',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const names = node.args.map((at, position) => {
      if (at.text === '') return context.fail(at, `index "${at.text}" in "index" directive is invalid`);
      if (at.text.startsWith('/') && position !== node.args.length - 1) {
        context.warn(at, `only the last index in "index" directive should be absolute`);
      }
      const value = context.compileValue(at);
      return value.constant ?? value;
    });
    return [...(previous ?? []), ...names];
  },
  default: ['index.html'],
  syntax: 'file ...',
  defaultText: 'index.html',
  doc: 'Files that stand for a directory, tried in order; an absolute path is redirected to internally. They may hold variables.',
});

export const etag = flagRow('etag', true, 'Whether files carry an ETag made of time and size.');

export const ifModifiedSince = directive<'off' | 'exact' | 'before'>({
  name: 'if_modified_since',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (at.text === 'off' || at.text === 'exact' || at.text === 'before') return at.text;
    return context.fail(at, `invalid value "${at.text}"`);
  },
  default: 'exact',
  syntax: 'off | exact | before',
  defaultText: 'exact',
  doc: 'How If-Modified-Since is compared with the time of a file.',
});

export const maxRanges = directive<number>({
  name: 'max_ranges',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse: (node, context) => readNumber(node, argument(node, 0), context),
  default: Number.POSITIVE_INFINITY,
  syntax: 'number',
  defaultText: '-',
  doc: 'Greatest number of ranges in one request for parts of a file; who asks for more gets the whole. 0: ranges are ignored.',
});

export const logNotFound = flagRow(
  'log_not_found',
  true,
  'Whether files that are not there are reported in the error log.',
);
