/** `add_header`: fields for responses. */
import type { HeaderFilter, Module } from '../module-api/index.js';
import { fieldsOf, fieldsRow, inheritRow, USUAL_STATUSES, type FieldSetting } from './field-list.js';

export const addHeader = fieldsRow(
  'add_header',
  'A field added to responses with status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308, with `always` to all. An empty value adds nothing. The list of a block replaces that of the enclosing one, unless `add_header_inherit` says otherwise.',
);

export const addHeaderInherit = inheritRow('add_header');

/** Fields that nginx treats as single: theirs is replaced, not repeated. */
const SINGLE: ReadonlySet<string> = new Set(['last-modified', 'etag']);

function addHeaderFilter(settings: readonly FieldSetting[]): HeaderFilter {
  return (exchange) => {
    const { response } = exchange;
    const usual = USUAL_STATUSES.has(response.status);
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
  directives: [addHeader, addHeaderInherit],
  location(builder) {
    const settings = fieldsOf(builder.settings, addHeader, addHeaderInherit);
    if (settings.length > 0) builder.headerFilter(addHeaderFilter(settings));
  },
};
