/**
 * `add_header`: fields for responses. The list of a block replaces that of the
 * enclosing one.
 */
import { directive, type HeaderFilter, type Module, type Value } from '../module-api/index.js';
import { argument, HTTP_SERVER_LOCATION } from './rows.js';

/** One field. */
export interface AddHeaderSetting {
  readonly name: string;
  readonly value: Value;
  /** Whether it is added to every status. */
  readonly always: boolean;
}

/** Statuses that fields without `always` are added to. */
const USUAL: ReadonlySet<number> = new Set([200, 201, 204, 206, 301, 302, 303, 304, 307, 308]);

export const addHeader = directive<readonly AddHeaderSetting[]>({
  name: 'add_header',
  contexts: HTTP_SERVER_LOCATION,
  args: [2, 3],
  repeat: 'append',
  parse(node, context, previous) {
    const option = node.args[2];
    if (option !== undefined && option.text !== 'always') {
      return context.fail(option, `invalid parameter "${option.text}"`);
    }
    const setting: AddHeaderSetting = {
      name: argument(node, 0).text,
      value: context.compileValue(argument(node, 1)),
      always: option !== undefined,
    };
    return [...(previous ?? []), setting];
  },
  default: [],
  syntax: 'name value [always]',
  defaultText: '-',
  doc: 'A field added to responses with status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308, with `always` to all. An empty value adds nothing.',
});

/** Fields that nginx treats as single: theirs is replaced, not repeated. */
const SINGLE: ReadonlySet<string> = new Set(['last-modified', 'etag']);

function addHeaderFilter(settings: readonly AddHeaderSetting[]): HeaderFilter {
  return (exchange) => {
    const { response } = exchange;
    const usual = USUAL.has(response.status);
    for (const { name, value, always } of settings) {
      if (!usual && !always) continue;
      const text = value.get(exchange);
      if (SINGLE.has(name.toLowerCase())) {
        if (text === '') response.removeHeader(name);
        else response.setHeader(name, text);
      } else if (text !== '') {
        response.addHeader(name, text);
      }
    }
  };
}

/** `add_header`. */
export const addHeaderModule: Module = {
  name: 'add_header',
  directives: [addHeader],
  location(builder) {
    const settings = builder.settings.get(addHeader);
    if (settings.length > 0) builder.headerFilter(addHeaderFilter(settings));
  },
};
