/**
 * From the suffix of a family of variables to the name of a field: `$http_x_real_ip`
 * asks for "x-real-ip". Suffixes come from the configuration, so their number is small.
 */
import { HeaderName } from '../../http/header-name.js';

const names = new Map<string, string>();

/** As {@link fieldName}, for being asked for many times. */
export function headerName(suffix: string): HeaderName {
  return new HeaderName(suffix.replaceAll('_', '-'));
}

/** Underscores become dashes; lower-cased. */
export function fieldName(suffix: string): string {
  let name = names.get(suffix);
  if (name === undefined) {
    name = suffix.toLowerCase().replaceAll('_', '-');
    names.set(suffix, name);
  }
  return name;
}
