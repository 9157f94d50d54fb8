/**
 * `add_trailer`: fields behind the body. They need a chunked body, which is why a
 * response that will have some is sent in chunks to who understands them.
 */
import type { Module, TrailerSource } from '../module-api/index.js';
import { fieldsOf, fieldsRow, inheritRow, USUAL_STATUSES, type FieldSetting } from './field-list.js';

export const addTrailer = fieldsRow(
  'add_trailer',
  'A field sent behind the body of responses with status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308, with `always` of all; the body goes out in chunks then. Clients of HTTP/1.0 get none. An empty value adds nothing.',
);

export const addTrailerInherit = inheritRow('add_trailer');

function trailerSource(settings: readonly FieldSetting[]): TrailerSource {
  const always = settings.some((setting) => setting.always);
  return {
    expects: (status) => always || USUAL_STATUSES.has(status),
    add(exchange, add) {
      const usual = USUAL_STATUSES.has(exchange.response.status);
      for (const { name, value, always: inAnyCase } of settings) {
        const text = usual || inAnyCase ? value.get(exchange) : '';
        if (text !== '') add(name, text);
      }
    },
  };
}

/** `add_trailer`. */
export const addTrailerModule: Module = {
  name: 'add_trailer',
  directives: [addTrailer, addTrailerInherit],
  location(builder) {
    const settings = fieldsOf(builder.settings, addTrailer, addTrailerInherit);
    if (settings.length > 0) builder.trailers(trailerSource(settings));
  },
};
